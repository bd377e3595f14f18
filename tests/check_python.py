"""check_python.py: what check_python.sh runs, in a namespace "python" with the classes of module_cli.c.

With the argument layout it prints C that compiles if stoa.py has the structs as stoa.h has them.
"""

import ctypes
import gc
import inspect
import math
import multiprocessing
import os
import pickle
import pydoc
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time
import unittest

import stoa

PEER = os.environ.get("PEER", "")
N = 2000
NUMBERS = ctypes.c_int, ctypes.c_int64, ctypes.c_size_t, ctypes.c_uint, ctypes.c_uint32, ctypes.c_uint64


def print_layout():
    for header in ("stoa.h", "stoa/latch.h", "stoa/lease.h", "stoa/rendezvous.h"):
        print(f"#include <{header}>")
    for mirror, tag in (("_Attr", "attr"), ("_Struct", "struct"), ("_Method", "method"), ("_Hooks", "hooks"),
                        ("_Class", "class"), ("_Options", "options"), ("_Stamp", "stamp"), ("_Error", "error"),
                        ("_Health", "health"), ("_Rejection", "rejection"), ("_Command", "command")):
        cls = getattr(stoa, mirror)
        for name, kind in cls._fields_:
            where, of = getattr(cls, name).offset, f"struct stoa_{tag}"
            print(f'_Static_assert(offsetof({of}, {name}) == {where}, "{of}.{name}");')
            print(f'_Static_assert(sizeof((({of} *)0)->{name}) == {ctypes.sizeof(kind)}, "{of}.{name}");')
        if mirror not in ("_Method", "_Hooks", "_Options"):
            print(f'_Static_assert(sizeof(struct stoa_{tag}) == {ctypes.sizeof(cls)}, "struct stoa_{tag}");')
    print("void call_all(void);\nvoid call_all(void)\n{")
    for name, arguments in stoa._functions.items():
        # as many, and numbers where C has numbers: 1 is no pointer, and (void *)0 no number
        given = ("1" if kind in NUMBERS else "(void *)0" for kind in arguments)
        print(f"\tstoa_{name}({', '.join(given)});")
    print("}")


def add_in_worker(hits):
    for _ in range(N):
        hits.add.cast(1)


def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Base(unittest.TestCase):
    def setUp(self):
        self.ns = stoa.attach("python", timeout=20)
        for name in self.ns.list():
            self.ns.remove(name)
        self.hits = self.ns.create("hits", "counter")

    def tearDown(self):
        self.ns.close()


class Counter(Base):
    def test_a_counter_feels_like_python(self):
        hits = self.ns.create("fresh", "counter", value=42)
        self.assertEqual(hits.add(5), 47)
        self.assertEqual(hits.add(n=1), 48)
        self.assertIsNone(hits.add.cast(2))
        self.assertEqual(hits.value, 50)
        hits.value = 7
        hits["value"] += 1
        self.assertEqual((hits["value"], hits.get("value"), hits.peek("value")), (8, 8, 8))
        self.assertEqual(hits.set(3), 3)  # the class's own method, not the library's
        self.assertEqual(hits.call("sub", 1), 2)
        hits.cast("sub", 1)
        self.assertEqual(hits.snapshot(), {"value": 1})
        self.assertEqual(hits.snapshot().stamp.pid, os.getpid())
        self.assertEqual(self.ns.sync(), 0)

    def test_it_describes_itself(self):
        self.assertLessEqual({"add", "sub", "set", "reset", "value", "snapshot", "watch"}, set(dir(self.hits)))
        text = pydoc.render_doc(self.hits, renderer=pydoc.plaintext)
        for part in ("add(n: int)", "add n", "what was counted", "i64, writable"):
            self.assertIn(part, text)
        self.assertEqual(str(inspect.signature(self.hits.add)), "(n: int)")
        self.assertIn("by how much", self.hits.add.__doc__)
        self.assertIn("'hits' in 'python'", repr(self.hits))
        self.assertIs(self.ns.describe("counter"), type(self.hits))
        self.assertIs(self.ns.classes()["counter"], type(self.hits))
        self.assertEqual(self.ns.list(), {"hits": "counter"})
        self.assertEqual(self.ns.list("x*"), {})

    def test_signals_are_declared_here(self):
        rows = "position.x:f64 unit=m", "ok:bool", "name:text[32]", "n:u8"
        vehicle = self.ns.create("vehicle", stoa.Signals(*rows), ok=True, **{"position.x": 1.5})
        vehicle.name = "one"
        self.assertEqual(vehicle.add("position.x", 0.5), 2)
        self.assertEqual(vehicle.snapshot(), {"position.x": 2, "ok": True, "name": "one", "n": 0})
        self.assertEqual(self.ns.list("v*"), {"vehicle": stoa.Signals(*rows).name})
        with self.assertRaisesRegex(stoa.MethodError, "out of the range of u8"):
            vehicle.add("n", 256)
        with self.assertRaisesRegex(stoa.Exists, "of class signals_"):
            self.ns.create("vehicle", stoa.Signals("n:u8"))
        with self.assertRaisesRegex(stoa.Error, "no type"):
            stoa.Signals("x:f46")
        self.assertEqual(self.ns.create("point", stoa.Signals("x:f64", name="point")).x, 0)
        self.assertEqual(self.ns.create("other", "point", 3).x, 3)

    def test_several_commands_are_one(self):
        other = self.ns.create("second", "counter", 5)
        self.assertEqual(self.ns.call_many([self.hits.add.command(1), other.sub.command(2)]), [1, 3])
        with self.assertRaises(stoa.MethodError):
            self.ns.call_many([self.hits.add.command(1), other.add.command(2**63 - 1)])
        both = self.ns.snapshot(self.hits, other)
        self.assertEqual(both, [{"value": 1}, {"value": 3}])
        self.assertEqual([s.stamp for s in both], [o.snapshot().stamp for o in (self.hits, other)])

    def test_closed_is_an_error_and_not_a_crash(self):
        with stoa.attach("python") as ns:
            with ns.open("hits") as hits:
                self.assertEqual(hits.add(1), 1)
            self.assertRaises(ValueError, hits.add, 1)
            left = ns.open("hits")
        for use in (lambda: left.value, lambda: left.add.cast(1), left.snapshot, ns.list, ns.health):
            self.assertRaises(ValueError, use)
        kept = stoa.attach("python").open("hits")  # the object holds what it needs
        gc.collect()
        self.assertEqual(kept.add(1), 2)

    def test_wait_and_watch(self):
        changes = self.hits.watch("value", timeout=20)
        self.assertEqual(next(changes).value, 0)
        for _ in range(3):
            self.hits.add(1)
        change = next(changes)
        self.assertEqual((change.value, change.changes, change.stamp.pid), (3, 3, os.getpid()))
        threading.Timer(0.05, lambda: self.hits.add(1)).start()
        self.assertEqual(next(changes).value, 4)
        news = self.hits.watch("value", timeout=20, initial=False)
        self.hits.add(1)
        change = next(news)
        self.assertEqual((change.value, change.changes), (5, 1))
        self.hits.sub(1)
        self.assertRaises(stoa.Timeout, next, self.hits.watch(timeout=0.05, initial=False))
        everything = self.hits.watch(timeout=0.05)
        self.assertEqual(next(everything).value, {"value": 4})
        self.assertRaises(stoa.Timeout, next, everything)
        value, stamp = self.hits.read("value")
        self.assertEqual((value, stamp.changes), (4, stamp.changes))
        self.assertRaises(stoa.Timeout, self.hits.wait, "value", stamp.version, 0.01)
        self.assertEqual(self.hits.wait("value", stamp.version - 1), stamp)
        self.ns.remove("hits")
        self.assertRaises(stoa.Removed, next, changes)

    def test_open_waits_and_the_keyboard_interrupts(self):
        threading.Timer(0.05, lambda: self.ns.create("late", "counter", 9)).start()
        self.assertEqual(self.ns.open("late", timeout=20).value, 9)
        before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        start = time.monotonic()
        self.assertRaises(KeyboardInterrupt, self.ns.open, "never", 30)
        signal.signal(signal.SIGALRM, before)
        self.assertLess(time.monotonic() - start, 20)

    def test_health(self):
        health = self.ns.health()
        self.assertEqual((health.verdict, health.object), ("healthy", ""))
        self.assertEqual(health.pushed, health.applied + health.rejected + health.abandoned + health.queued)
        self.assertIn("healthy", health.text)

    def test_a_reader_may_not_write(self):
        with stoa.attach("python", read_only=True) as ns:
            hits = ns.open("hits")
            self.assertEqual(hits.value, 0)
            self.assertRaises(stoa.NotAllowed, hits.add, 1)


class Values(Base):
    def setUp(self):
        super().setUp()
        self.other = self.ns.create("other", "every")

    def test_every_type_comes_back(self):
        values = {"i8": -128, "i16": -32768, "i32": -2**31, "i64": -2**63, "u8": 255, "u16": 65535, "u32": 2**32 - 1,
                  "u64": 2**64 - 1, "f32": 0.5, "f64": 1e300, "ok": True, "name": "grüß", "row": [1, -2, 3],
                  "grid": [[1.5, 2, 3], [4, 5, math.inf]], "cube": [[[True, False]], [[False, True]]],
                  "words": ["", "abcde"], "timer.total": 2.5, "timer.at.x": 9, "note": "a\0b", "data": b"\0\1\xff",
                  "notes": [None, ""], "parts": [b"", b"x" * 70000]}
        self.other.assign(values)
        self.assertEqual(self.other.snapshot(), {**values, "fixed": 0})
        for name, value in values.items():
            self.assertEqual(self.other[name], value)
            self.other[name] = value
        self.assertEqual(self.other.snapshot(), {**values, "fixed": 0})
        self.other.f64 = math.nan
        self.assertTrue(math.isnan(self.other.f64))
        self.other.data, self.other.note = bytearray(b"ab"), None
        self.assertEqual((self.other.data, self.other.note), (b"ab", None))
        self.other.note = b"\xff".decode("utf-8", "surrogateescape")
        self.assertEqual(self.other.note.encode("utf-8", "surrogateescape"), b"\xff")

    def test_nested_names(self):
        self.other.timer.at.x = 3
        self.other.timer.total += 1.5
        self.assertEqual((self.other.timer.at.x, self.other["timer.at.x"], self.other.timer.total), (3, 3, 1.5))
        self.assertIn("at", dir(self.other.timer))
        with self.assertRaises(AttributeError):
            self.other.timer = 1
        with self.assertRaises(AttributeError):
            self.other.timer.at.y = 1

    def test_arguments_and_results(self):
        given = dict(n=-3, x=1.5, up=True, who="tea", row=[1, -2], say="grüße", raw=b"\0\1")
        result = self.other.echo(**given)
        self.assertEqual(result._asdict(), given)
        self.assertEqual(self.other.echo(*given.values()), tuple(given.values()))
        self.assertEqual(self.other.echo(1, 2, False, "", (0, 0), None, memoryview(b"")).say, None)
        self.assertEqual(self.other.total(), 0)
        self.assertEqual(self.ns.create("b", "box", number=3, text="hi").label, "3:hi")
        self.assertEqual(self.ns.create("c", "box").label, "0:none")

    def test_wrong_values_are_refused_before_they_are_sent(self):
        e, add, before = self.other, self.hits.add, self.ns.health().pushed
        for error, use in (
                (TypeError, lambda: add("x")), (TypeError, lambda: add(1.5)), (TypeError, lambda: add()),
                (TypeError, lambda: add(1, 2)), (TypeError, lambda: add(m=1)), (TypeError, lambda: add(1, n=1)),
                (OverflowError, lambda: add(2**63)), (TypeError, lambda: e.assign({"f64": "1"})),
                (OverflowError, lambda: e.assign({"u8": -1})), (OverflowError, lambda: e.assign({"f32": 1e40})),
                (TypeError, lambda: e.assign({"ok": "no"})), (ValueError, lambda: e.assign({"name": "12345678"})),
                (ValueError, lambda: e.assign({"name": "a\0"})), (TypeError, lambda: e.assign({"note": b"x"})),
                (TypeError, lambda: e.assign({"data": "x"})), (ValueError, lambda: e.assign({"row": [1, 2]})),
                (TypeError, lambda: e.assign({"row": 1})), (TypeError, lambda: e.assign({"words": "ab"})),
                (TypeError, lambda: e.assign({"grid": [1, 2]})), (KeyError, lambda: e["nothing"]),
                (AttributeError, lambda: e.nothing), (AttributeError, lambda: setattr(e, "nothing", 1)),
                (AttributeError, lambda: e.call("nothing")), (ValueError, lambda: add.within(-1)),
                (TypeError, lambda: self.ns.create("d", "box", nothing=1)), (ValueError, lambda: self.ns.open("a\0b")),
                (TypeError, lambda: self.ns.open(5)), (TypeError, lambda: self.ns.call_many([add]))):
            self.assertRaises(error, use)
        self.assertEqual(self.ns.health().pushed, before)
        with self.assertRaisesRegex(OverflowError, "^method add of class counter: n is i64; .* is out of range: -9"):
            add(2**63)

    def test_what_the_library_refuses(self):
        for error, like, code, use in (
                (stoa.NotFound, FileNotFoundError, 2, lambda: self.ns.open("nothing")),
                (stoa.NotFound, FileNotFoundError, 2, lambda: self.ns.create("x", "nothing")),
                (stoa.NotFound, FileNotFoundError, 2, lambda: stoa.attach("nothing", timeout=0)),
                (stoa.Error, OSError, 22, lambda: stoa.attach("")),
                (stoa.Error, OSError, 22, lambda: stoa.start("")),
                (stoa.Exists, FileExistsError, 17, lambda: self.ns.create("hits", "counter", exclusive=True)),
                (stoa.NotAllowed, PermissionError, 1, lambda: setattr(self.other, "fixed", 1)),
                (stoa.MethodError, OSError, 22, self.other.fail)):
            with self.assertRaises(error) as caught:
                use()
            self.assertIsInstance(caught.exception, like)
            self.assertEqual((caught.exception.errno, caught.exception.code), (code, -code))
            self.assertFalse(caught.exception.may_apply)
        self.assertEqual(str(caught.exception), "no luck today")
        self.assertEqual(self.ns.rejected()[-1].text, "no luck today")
        self.assertEqual(self.ns.rejected(self.ns.rejected()[-1].number), [])
        again = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((type(again), again.code, str(again)), (stoa.MethodError, -22, "no luck today"))

    def test_a_timeout_tells_whether_it_may_apply(self):
        for _ in range(100):
            with self.assertRaises(TimeoutError) as caught:
                self.other.pause.within(0.05)(300)
            if caught.exception.may_apply:  # and not cancelled before it began, on a slow machine
                break
        self.ns.await_answer(caught.exception.ticket, timeout=20)
        self.assertEqual(self.other.fixed, 1)


class ReadyMade(Base):
    def test_a_timer_is_as_the_statistics_module_has_it(self):
        timer = self.ns.create("requests", "timer")
        times = [(i * 7919) % 1000 / 8 for i in range(700)]
        for ms in times:
            timer.record.cast(ms)
        now = timer.snapshot()
        self.assertEqual((now["n"], now["min"], now["max"]), (700, min(times), max(times)))
        self.assertAlmostEqual(now["mean"], statistics.mean(times), places=9)
        self.assertAlmostEqual(now["stdev"], statistics.stdev(times), places=9)
        cuts = statistics.quantiles(times, n=100, method="inclusive")
        for p, ms in zip(timer.percentiles()._fields, timer.percentiles()):
            self.assertAlmostEqual(ms, cuts[int(p[1:]) - 1], places=9)

    def test_text_blob_bucket_and_histogram(self):
        text, blob = self.ns.create("t", "text", value="grüße"), self.ns.create("b", "blob")
        self.assertTrue(text.cas("grüße", "tea"))
        self.assertFalse(text.cas("grüße", "milk"))
        self.assertEqual((text.append(" and milk"), text.value), (12, "tea and milk"))
        self.assertEqual((blob.set(bytes(range(256))), blob.value), (256, bytes(range(256))))
        granted, wait_ns = self.ns.create("rate", "bucket", rate=1, burst=1).take(1)
        self.assertEqual((granted, wait_ns), (True, 0))
        one, other = self.ns.create("h", "histogram"), self.ns.create("i", "histogram")
        one.record(200)
        other.merge(one.image())
        self.assertEqual((other.n, other.percentile(50)), (1, 200))

    def test_a_lease_is_held(self):
        lease = self.ns.create("nightly", "lease")
        with lease.held("the test", timeout=20) as token:
            self.assertEqual((lease.owner, lease.token, lease.pid), ("the test", token, os.getpid()))
            with self.assertRaisesRegex(stoa.WouldBlock, 'held by "the test"'):
                lease.take(timeout=0)
            self.assertRaises(stoa.Timeout, lease.take, timeout=0.01)
        threading.Timer(0.05, lease.release, [lease.take()]).start()
        again = lease.take("again", ttl=0.05, timeout=20)
        self.assertGreater(again, token)
        pid = os.fork()
        if pid == 0:  # it waits until the time is over, and dies with it
            lease.take("child", timeout=20)
            os._exit(0)
        self.assertEqual(os.waitpid(pid, 0)[1], 0)
        self.assertRaises(stoa.MethodError, lease.release, again)
        with lease.held(timeout=20):
            pass
        self.assertEqual(lease.number, 0)

    def test_a_latch_opens_and_parties_meet(self):
        latch, phase = self.ns.create("latch", "latch", left=2), self.ns.create("phase", "rendezvous", parties=3)
        self.assertRaises(stoa.Timeout, latch.wait_open, 0.01)
        self.assertRaises(stoa.WouldBlock, latch.wait_open, 0)
        steps = []

        def party():
            seat = phase.join()
            for step in range(20):
                steps.append(step)
                phase.meet(seat, timeout=20)
            latch.down(1)
        threads = [threading.Thread(target=party) for _ in range(2)]
        for thread in threads:
            thread.start()
        seat = phase.join()
        for step in range(20):
            phase.meet(seat, timeout=20)
        latch.wait_open(20)
        self.assertEqual(steps, sorted(steps))
        self.assertEqual(phase.step, 20)
        for thread in threads:
            thread.join()


class Collections(Base):
    def test_values_of_any_kind_come_back(self):
        d = self.ns.create("d", "dict")
        values = [True, False, 0, -2**63, 2.5, "tea", "", "ü\0", b"\0\xff", b""]
        for value in values:
            self.assertIsNone(d.put("key", value))
            self.assertEqual((d.get("key"), type(d.get("key"))), (value, type(value)))
        self.assertIsNone(d.get("none"))
        self.assertEqual(d.get("none", 7), 7)
        self.assertEqual(d.pop("key", fallback=3), b"")
        self.assertRaisesRegex(stoa.MethodError, 'no key "key"', d.pop, "key")
        self.assertTrue(d.cas("key", value=1))
        self.assertFalse(d.cas("key", 2, 3))
        self.assertTrue(d.cas("key", 1))
        self.assertEqual(d.len, 0)
        self.assertRaisesRegex(stoa.MethodError, "the value is missing", d.put, "key")
        self.assertRaisesRegex(TypeError, "value is bool, int, .*; not list", d.put, "key", [1])
        self.assertRaisesRegex(OverflowError, "out of range", d.put, "key", 2**63)
        self.assertRaisesRegex(TypeError, "takes key: text, value: any; key is missing", d.put)
        self.assertEqual(str(inspect.signature(d.put)), "(key: str, value: object = None)")

    def test_they_are_as_in_python(self):
        d, row, q = (self.ns.create(name, name) for name in ("dict", "list", "queue"))
        seen = self.ns.create("seen", "set")
        d.update({"b": 1, "a": 2.5, "c": "x"})
        self.assertEqual(list(d.items()), [("b", 1), ("a", 2.5), ("c", "x")])
        self.assertEqual(d.popitem(), ("c", "x"))
        row.extend([1, 2, 3])
        row.append("four")
        self.assertEqual((row.get(-1), row.popleft(), row.index("four"), row.len), ("four", 1, 2, 3))
        self.assertEqual(row.items(), [2, 3, "four"])
        self.assertEqual([seen.add(x) for x in (1, 1, "1")], [True, False, True])
        q.put(b"job")
        self.assertEqual((q.get(), q.get()), (b"job", None))

    def test_a_dict_is_used_as_one(self):
        d = self.ns.create("d", "dict")
        self.assertFalse(d)
        d["tea"], d["0x31"] = 2.5, "0x31"
        self.assertEqual((len(d), d["tea"], "tea" in d, "milk" in d, list(d)), (2, 2.5, True, False, ["tea", "0x31"]))
        del d["tea"]
        for missing in (lambda: d["tea"], lambda: d.pop("tea"), lambda: d.call("pop", "tea"),
                        lambda: d.pop.within(9)("tea"), lambda: d.__delitem__("tea")):
            with self.assertRaisesRegex(KeyError, "no key .tea") as caught:
                missing()
            self.assertIsInstance(caught.exception, stoa.MethodError)
            self.assertEqual(caught.exception.errno, 2)
        self.assertEqual((d.pop("tea", None), d.pop("tea", fallback=None), d.pop("tea", 1)), (None, None, 1))
        self.assertEqual((d.keys(), d.values(), d.len), (["0x31"], ["0x31"], 1))
        d.update([("a", 1)])
        d.update.cast({"b": 2})
        self.ns.call_many([d.update.command({"c": 3}), d.update.command('{"d": 4}')])
        d.pop("0x31")
        self.assertEqual(dict(d.items()), {"a": 1, "b": 2, "c": 3, "d": 4})
        self.assertEqual(dict(d), dict(d.items()))
        self.assertEqual(stoa.Object.get(d, "len"), 4)
        d.clear()
        self.assertRaises(KeyError, d.popitem.within(9))
        self.assertIsInstance(d, stoa.Dict)

    def test_all_that_is_put_at_once_comes_back(self):
        values = [True, 0, -2**63, 2.0, 0.1, 1e300, math.inf, -math.inf, "", "ü\0\n\x7f\"", "0x31", "nan",
                  '"\\u0030x00"', "\\u006ean", '"0x00', "[1]", b"", b"\0\xff\"", bytes(range(256)), "x" * 60000]
        d, row, seen, q = (self.ns.create(name, name) for name in ("dict", "list", "set", "queue"))
        named = {f"{i}{value!r:.60}": value for i, value in enumerate(values)}
        d.update(named)
        row.extend(values)
        seen.update(iter(values))
        q.extend(tuple(values))
        for back in (list(dict(d.items()).values()), d.values(), row.items(), seen.members(), q.items()):
            self.assertEqual([(type(x), x) for x in back], [(type(x), x) for x in values])
        self.assertEqual((dict(d.items()), d.keys()), (named, list(named)))
        self.assertEqual([d[key] for key in named], values)
        row.extend([math.nan, memoryview(b"ab"), b"\xff".decode("utf-8", "surrogateescape")])
        self.assertTrue(math.isnan(row[-3]))
        self.assertTrue(math.isnan(row.items()[-3]))
        self.assertEqual((row[-2], row[-1]), (b"ab", "\udcff"))
        self.assertEqual(row.items()[-1], "\ufffd")  # JSON is UTF-8
        before = self.ns.health().pushed
        for error, use in ((TypeError, lambda: d.update({1: 2})), (TypeError, lambda: d.update({"k": None})),
                           (TypeError, lambda: row.extend([[1]])), (TypeError, lambda: row.extend(1)),
                           (OverflowError, lambda: seen.update([2**63])), (TypeError, lambda: q.extend([1, {}])),
                           (TypeError, lambda: d.update(5)), (TypeError, lambda: d[1]),
                           (TypeError, lambda: row["len"])):
            self.assertRaises(error, use)
        self.assertEqual(self.ns.health().pushed, before)
        self.assertRaisesRegex(stoa.MethodError, "no flat JSON", row.extend, "abc")

    def test_a_list_a_set_and_a_queue_are_used_as_such(self):
        row, seen, q = self.ns.create("row", "list"), self.ns.create("seen", "set"), self.ns.create("q", "queue", max=2)
        row.extend(range(5))
        row[0], row[-1] = "first", b"last"
        del row[1]
        self.assertEqual((len(row), row[0], row[-1], 3 in row, 4 in row), (4, "first", b"last", True, False))
        self.assertEqual(list(row), ["first", 2, 3, b"last"])
        self.assertEqual((row[1:], row[:-1], row[1:3], row[::-2], row.slice(0, 1)),
                         ([2, 3, b"last"], ["first", 2, 3], [2, 3], [b"last", 2], ["first"]))
        for use in (lambda: row[4], lambda: row.__setitem__(-5, 1), lambda: row.__delitem__(4)):
            self.assertRaisesRegex(IndexError, "out of range", use)
        self.assertRaises(ValueError, row.remove, 9)
        self.assertRaises(ValueError, row.index, 9)
        row.clear()
        self.assertRaises(IndexError, row.pop)
        self.assertRaises(IndexError, row.popleft)

        seen.update({1, b"x"})
        seen.difference_update([1])
        self.assertEqual((len(seen), b"x" in seen, 1 in seen, list(seen), seen.pop()), (1, True, False, [b"x"], b"x"))
        self.assertRaises(KeyError, seen.remove, 1)
        self.assertRaisesRegex(KeyError, "the set is empty", seen.pop)

        q.extend(["a", "b"])
        self.assertRaises(queue.Full, q.put, "c")
        self.assertRaises(stoa.Full, q.put, "c")
        self.assertEqual((len(q), list(q), q.get()), (2, ["a", "b"], "a"))

    def test_a_class_of_that_name_is_not_taken_for_it(self):
        for name, native in (("dict", stoa.Dict), ("list", stoa.List), ("set", stoa.Set), ("queue", stoa.Queue)):
            self.assertTrue(issubclass(self.ns.describe(name), native))
            other = stoa.Signals("len:u64", "json:text", name=name)  # as a module might bring one
            self.assertFalse(issubclass(stoa._type_of(stoa._Class.from_address(other._found.value)), native))
        mine = self.ns.create("mine", stoa.Signals("len:u64", "json:text"))
        mine.json = "[1]"
        self.assertEqual((mine["len"], mine.json, hasattr(mine, "__len__")), (0, "[1]", False))

    def test_what_another_puts_is_waited_for(self):
        jobs = self.ns.create("jobs", "queue")
        putter = threading.Timer(0.1, jobs.put, ("job",))
        putter.start()
        self.assertEqual(jobs.take.within(10)(), "job")
        putter.join()
        with self.assertRaises(stoa.Timeout):
            jobs.take.within(0.1)()
        jobs.put("next")
        self.assertEqual(jobs.len, 1)


class Together(Base):
    def test_exact_counts_with_c_threads_forks_and_processes(self):
        peers = [subprocess.Popen([PEER, "count", str(N)]) for _ in range(2)]
        forked = []
        for _ in range(2):
            forked.append(os.fork())
            if forked[-1] == 0:
                add_in_worker(self.hits)
                os._exit(0)
        threads = [threading.Thread(target=add_in_worker, args=(self.hits,)) for _ in range(4)]
        spawn = multiprocessing.get_context("spawn")
        process = spawn.Process(target=add_in_worker, args=(self.hits,))
        process.start()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        process.join()
        for pid in forked:
            self.assertEqual(os.waitpid(pid, 0)[1], 0)
        for peer in peers:
            self.assertEqual(peer.wait(), 0)
        self.assertEqual(process.exitcode, 0)
        self.assertEqual(self.hits.value, 9 * N)

    def test_c_reads_what_python_wrote_and_the_other_way(self):
        other = self.ns.create("other", "every")
        other.assign({"note": "grüße", "data": b"\0\1\xff", "name": "1234567", "grid": [[1.5, 0, 0], [0, 0, -6]],
                      "ok": True, "timer.at.x": 65535})
        subprocess.run([PEER, "values"], check=True)
        self.assertEqual((other.note, other.data, other.name, other.ok), ("", b"\xff\0", "tea", False))
        self.assertEqual((other.grid, other.timer.at.x), ([[7, 0, 0], [0, 0, 0]], 1))

    def test_closing_while_others_call(self):
        def use(hits):
            try:
                while True:
                    hits.add(1)
            except ValueError:
                pass
        for _ in range(20):
            ns = stoa.attach("python")
            threads = [threading.Thread(target=use, args=(ns.open("hits"),)) for _ in range(3)]
            for thread in threads:
                thread.start()
            ns.close()
            for thread in threads:
                thread.join()
        self.assertGreaterEqual(self.hits.add(1), 1)

    def test_the_death_of_the_coordinator_loses_nothing(self):
        before = self.ns.health()
        changes = self.hits.watch("value", timeout=20)
        next(changes)
        for i in range(3 * N):
            self.hits.add.cast(1)
            if i == N:
                os.kill(before.coordinator, signal.SIGKILL)
        self.assertEqual(self.hits.value, 3 * N)
        self.assertEqual(next(changes).value, 3 * N)
        self.assertGreater(self.ns.health().restarts, before.restarts)

    def test_who_is_evicted_is_told(self):
        told = "import stoa, sys\nhits = stoa.attach('python').open('hits')\n" \
               "print(hits.add(1), flush=True)\nsys.stdin.read()\n" \
               "try: hits.add(1)\nexcept stoa.Evicted as e: print(e)"
        with subprocess.Popen([sys.executable, "-c", told], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as other:
            self.assertEqual(other.stdout.readline(), "1\n")
            self.ns.evict(other.pid, timeout=20)
            self.assertIn("was evicted from namespace python", other.communicate()[0])
        self.assertEqual(self.hits.value, 1)
        self.assertRaises(stoa.NotFound, self.ns.evict, 1)
        self.assertRaisesRegex(ValueError, "is no pid", self.ns.evict, 2**32 + os.getpid())

    def use_everything(self):
        with stoa.attach("python") as ns:
            other = ns.create("other", "every")
            other.note, other.parts = "x" * 5000, [b"y" * 5000, b"z"]
            self.assertEqual(len(other.snapshot()["note"]), 5000)
            other.echo(1, 2, True, "a", [1, 2], "t" * 5000, b"b" * 5000)
            self.assertRaises(stoa.MethodError, other.fail)
            next(other.watch("note"))
            ns.list(), ns.health(), ns.rejected()
            cycle = [other, ns]
            cycle.append(cycle)
        kept = stoa.attach("python").open("other")
        kept_in_cycle = [kept]
        kept_in_cycle.append(kept_in_cycle)

    def test_nothing_leaks(self):
        for _ in range(30):
            self.use_everything()
        gc.collect()
        files, memory = len(os.listdir("/proc/self/fd")), rss()
        for _ in range(300):
            self.use_everything()
        gc.collect()
        self.assertLess(rss() - memory, 2 << 20)
        self.assertEqual(len(os.listdir("/proc/self/fd")), files)


class Embedded(unittest.TestCase):
    def test_start_serves_until_its_last_client_goes(self):
        if len(os.listdir("/proc/self/task")) > 1:
            self.skipTest("threads are running")
        with stoa.start("embedded", timeout=20) as ns:
            self.assertEqual(ns.create("n", "counter").add(3), 3)
            self.assertRaises(stoa.Exists, stoa.start, "embedded", join=False)
            guardian = ns.health().guardian
        for _ in range(1000):
            if not os.path.exists(f"/proc/{guardian}"):
                break
            time.sleep(0.02)
        self.assertFalse(os.path.exists(f"/proc/{guardian}"))

    def test_what_is_stopped_is_gone(self):
        with stoa.start("embedded", timeout=20) as ns:
            n = ns.create("n", "counter")
            ns.stop()
            for use in (lambda: n.add(1), lambda: n.add.cast(1), lambda: ns.create("m", "counter")):
                self.assertRaises(stoa.Gone, use)
            self.assertEqual(n.peek("value"), 0)
            self.assertEqual(ns.health().verdict, "gone")


if __name__ == "__main__":
    if sys.argv[1:] == ["layout"]:
        print_layout()
    else:
        unittest.main()
