"""Live objects shared between the processes of one Linux machine: libstoa for Python.

    import stoa

    with stoa.attach() as ns:                   # $STOA_NAMESPACE, or "default"; stoad serves it
        hits = ns.create("hits", "counter")     # opens it if it is there
        hits.add(5)                             # a call: waits for the answer, 5
        hits.add.cast(n=1)                      # a cast: only queued, yet every later read sees it
        print(hits.value, hits.snapshot())      # 6 {'value': 6}
        for change in hits.watch("value", timeout=60):
            print(change.value, change.stamp.pid)

An object has the attributes and methods of its class, as the coordinator describes them: help(hits) and dir(hits) show
them. Where a row of the class has the name of something here ("get", say), the row wins; what is here is then called as
stoa.Object.get(hits, "value"). Nested attributes are hits.a.b, or hits["a.b"]. A dict, list, set or queue is used as
Python's: d["key"] = 1, len(d), for value in row.

Timeouts are in seconds; None is what attach was given (5 if nothing), 0 is not to wait. What fails raises Error, with
the library's text. Objects may be used from any thread, in forked children, and pickled to other processes.
stoa_python(3) has the rest.
"""

import collections
import contextlib
import ctypes
import errno
import inspect
import json
import math
import operator
import os
import queue
import re
import struct
import time
import weakref
from ctypes import (CFUNCTYPE, POINTER, Structure, addressof, byref, c_bool, c_char, c_char_p, c_int, c_int64, c_size_t,
                    c_uint, c_uint8, c_uint32, c_uint64, c_void_p)

__all__ = ["Change", "Command", "Dict", "Error", "Evicted", "Exists", "Full", "Gone", "Group", "Health", "Latch",
           "Lease", "List", "Method", "MethodError", "Namespace", "NoIndex", "NoKey", "NoValue", "NotAllowed",
           "NotFound", "Object", "Queue", "Rejection", "Removed", "Rendezvous", "Set", "Snapshot", "Stamp", "Timeout",
           "WouldBlock", "attach", "start"]

__version__ = "0.1.0"

_NAME = 64
_TEXT = 256
_ALL = 0xffffffff
_JOIN, _READ_ONLY, _VERIFY, _KEEP, _EXCL = 1, 2, 4, 8, 16
_STEP = 0.2  # seconds in the library before signals are looked at, where a wait may be long


# ---- the structs of stoa.h; tests/check_python.sh compares them, and the functions below, with it ------------------

class _Attr(Structure):
    _fields_ = [("name", c_char_p), ("unit", c_char_p), ("doc", c_char_p), ("offset", c_uint32), ("size", c_uint32),
                ("dims", c_uint32 * 3), ("rank", c_uint8), ("kind", c_uint8), ("writable", c_bool), ("unused", c_uint8),
                ("reserved", c_void_p * 2)]


class _Struct(Structure):
    _fields_ = [("name", c_char_p), ("size", c_uint32), ("align", c_uint32), ("attrs", POINTER(_Attr)),
                ("n_attrs", c_uint32)]


class _Method(Structure):
    _fields_ = [("name", c_char_p), ("class_name", c_char_p), ("run", c_void_p), ("args", POINTER(_Struct)),
                ("ret", POINTER(_Struct)), ("writes", c_char_p), ("reads", c_char_p), ("doc", c_char_p),
                ("deadline", c_int64), ("ret_max", c_uint32), ("reader", c_bool), ("folds", c_bool)]


class _Hooks(Structure):
    _fields_ = [("init_args", POINTER(_Struct))]


class _Class(Structure):
    _fields_ = [("name", c_char_p), ("abi", c_uint32), ("version", c_uint32), ("state", POINTER(_Struct)),
                ("methods", POINTER(POINTER(_Method))), ("hooks", POINTER(_Hooks)), ("doc", c_char_p),
                ("validate", c_void_p)]


class _Options(Structure):
    _fields_ = [("size", c_size_t), ("flags", c_uint), ("timeout", c_int64), ("max_state", c_uint64),
                ("max_objects", c_uint32), ("max_threads", c_uint32), ("max_attrs", c_uint32), ("max_queue", c_uint32),
                ("deadline", c_int64)]


class _Stamp(Structure):
    _fields_ = [("version", c_uint64), ("changes", c_uint64), ("time_ns", c_int64), ("pid", c_uint32),
                ("client", c_uint32), ("reserved", c_uint64 * 3)]


class _Error(Structure):
    _fields_ = [("code", c_int), ("origin", c_int), ("may_apply", c_bool), ("ticket", c_uint64),
                ("text", c_char * _TEXT), ("reserved", c_uint64 * 4)]


class _Health(Structure):
    _fields_ = [("verdict", c_int), ("coordinator", c_int), ("guardian", c_int), ("heartbeat_age", c_int64),
                ("pushed", c_uint64), ("applied", c_uint64), ("rejected", c_uint64), ("abandoned", c_uint64),
                ("queued", c_uint64), ("restarts", c_uint64), ("objects", c_uint32), ("threads", c_uint32),
                ("running_for", c_int64), ("object", c_char * _NAME), ("method", c_char * _NAME),
                ("text", c_char * _TEXT), ("resident", c_uint64), ("resident_start", c_uint64), ("folded", c_uint64),
                ("started_ns", c_int64), ("clients", c_uint32), ("unused", c_uint32), ("reserved", c_uint64 * 13)]


class _Rejection(Structure):
    _fields_ = [("number", c_uint64), ("ticket", c_uint64), ("time_ns", c_int64), ("code", c_int), ("origin", c_int),
                ("pid", c_uint32), ("client", c_uint32), ("object", c_char * _NAME), ("class_name", c_char * _NAME),
                ("row", c_char * _NAME), ("text", c_char * _TEXT), ("reserved", c_uint64 * 4)]


class _Command(Structure):
    _fields_ = [("proxy", c_void_p), ("method", c_void_p), ("args", c_void_p), ("ret", c_void_p), ("attr", c_uint32),
                ("size", c_size_t), ("status", c_int), ("reserved", c_uint64 * 2)]


_Each = CFUNCTYPE(c_int, c_void_p, c_char_p, POINTER(_Class))
_EachClass = CFUNCTYPE(c_int, c_void_p, POINTER(_Class), c_uint64)
_EachRejection = CFUNCTYPE(c_int, c_void_p, POINTER(_Rejection))


# ---- the library ---------------------------------------------------------------------------------------------------

def _find_library():
    """$STOA_LIBRARY; that of the prefix in which this file is installed; what the loader finds."""
    name = "libstoa.so.0"
    here = os.path.dirname(os.path.abspath(__file__))
    prefix = re.fullmatch(r"(.*)/(?:lib/python[^/]*/[^/]*-packages|share/stoa)", here)
    beside = os.path.join(prefix[1], "lib", name) if prefix else name
    path = os.environ.get("STOA_LIBRARY") or (beside if os.path.exists(beside) else name)
    try:
        return ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(f"{error}; let STOA_LIBRARY be the path of {name}: build/.libs/{name} where it was built") \
            from None


_p = c_void_p
_functions = {
    "start": [c_char_p, _p, _p, _p], "attach": [c_char_p, _p, _p], "attach_thread": [_p], "sync": [_p, c_int64, _p],
    "health": [_p, _p], "rejected": [_p, c_uint64, _EachRejection, _p], "stop": [_p, c_int, c_int64], "detach": [_p],
    "evict": [_p, c_int, c_int64],
    "create": [_p, c_char_p, _p, _p, c_uint, _p], "open": [_p, c_char_p, _p, c_int64, _p],
    "remove": [_p, c_char_p, c_int64], "list": [_p, c_char_p, _Each, _p], "classes": [_p, _EachClass, _p],
    "find_class": [_p, c_char_p, _p], "close": [_p], "cast": [_p, _p, _p, c_int64], "call": [_p, _p, _p, _p, c_int64],
    "await": [_p, c_uint64, c_int64], "assign": [_p, c_uint32, _p, c_size_t, c_int64],
    "call_many": [_p, c_size_t, _p, c_int64], "get": [_p, c_uint32, _p, c_size_t, c_int64, _p],
    "peek": [_p, c_uint32, _p, c_size_t, _p], "snapshot": [_p, _p, c_size_t, c_int64, _p],
    "snapshot_many": [c_size_t, _p, _p, c_int64, _p], "wait": [_p, c_uint32, c_uint64, c_int64, _p], "class_of": [_p],
    "lease_take": [_p, c_char_p, c_int64, c_int64, _p], "latch_wait": [_p, c_int64],
    "rendezvous_meet": [_p, c_uint64, c_int64], "signals": [c_char_p, _p, c_size_t, _p], "strerror": [c_int],
    "last_error": [_p], "text_fini": [_p], "blob_fini": [_p]}


def _declare(lib):
    for name, arguments in _functions.items():
        getattr(lib, "stoa_" + name).argtypes = arguments
    lib.stoa_detach.restype = lib.stoa_close.restype = c_void_p
    lib.stoa_text_fini.restype = lib.stoa_blob_fini.restype = lib.stoa_last_error.restype = None
    lib.stoa_class_of.restype = POINTER(_Class)
    lib.stoa_strerror.restype = c_char_p
    return lib


_lib = _declare(_find_library())


def _encode(text):
    return text.encode("utf-8", "surrogateescape")


def _decode(data):
    return None if data is None else data.decode("utf-8", "surrogateescape")


def _name(text):
    if not isinstance(text, str):
        raise TypeError(f"a name is a str, not {type(text).__name__}")
    data = _encode(text)
    if b"\0" in data:
        raise ValueError(f"a name has no NUL: {text!r}")
    return data


def _ns(timeout):
    if timeout is None:
        return -1
    if not timeout >= 0:
        raise ValueError(f"a timeout is in seconds, 0 or more, or None; not {timeout!r}")
    return min(int(min(timeout, 1e9) * 1e9), 10**18)


# ---- errors --------------------------------------------------------------------------------------------------------

class Error(OSError):
    """What the library refused, with its text.

    code: as the library returned it, negative; errno: the same, positive. may_apply: the command may still be applied;
    ticket: its place in the order, or 0. Each subclass is also the exception of Python that it is like.
    """

    may_apply = False
    ticket = 0

    @property
    def code(self):
        return -self.errno

    def __str__(self):
        return self.strerror


class MethodError(Error):
    """The method itself refused: the code and the text are its own. Nothing was changed."""


class NoKey(MethodError, KeyError):
    """A dict has no such key, a set no such member."""


class NoIndex(MethodError, IndexError):
    """A list is not that long, or empty."""


class NoValue(MethodError, ValueError):
    """A list has no such value."""


class Full(MethodError, queue.Full):
    """As many wait in a queue as may."""


class Timeout(Error, TimeoutError):
    """It took too long. may_apply tells whether the command may be applied later."""


class WouldBlock(Error, BlockingIOError):
    """There is no room in the queue or, with a timeout of 0, it would have to wait."""


class NotFound(Error, FileNotFoundError):
    """There is no namespace, object or class of this name."""


class Exists(Error, FileExistsError):
    """The name is taken."""


class NotAllowed(Error, PermissionError):
    """This user, this read-only handle, or anybody, may not do so."""


class Gone(Error, ConnectionError):
    """The coordinator is gone, or stopping."""


class Evicted(Error, ConnectionAbortedError):
    """This process was evicted from the namespace, and may not come back before it ends."""


class Removed(Error):
    """The object was removed; open the new one if there is one of its name."""


_classes = {errno.ETIMEDOUT: Timeout, errno.ECANCELED: Timeout, errno.EAGAIN: WouldBlock, errno.ENOENT: NotFound,
            errno.EEXIST: Exists, errno.EACCES: NotAllowed, errno.EPERM: NotAllowed, errno.ECONNRESET: Gone,
            errno.ENOTCONN: Gone, errno.ESHUTDOWN: Gone, errno.ECONNABORTED: Evicted, errno.ESTALE: Removed}


def _error(code, of_method):
    e = _Error()
    _lib.stoa_last_error(byref(e))
    if e.code != code:
        return _classes.get(-code, Error)(-code, _decode(_lib.stoa_strerror(code)))
    cls = of_method.get(-code, MethodError) if e.origin == 1 else _classes.get(-code, Error)
    error = cls(-code, _decode(e.text))
    error.may_apply, error.ticket = e.may_apply, e.ticket
    return error


def _check(code, of_method={}):
    """of_method: the exceptions for errors of the method, by errno; all others are MethodError."""
    if code < 0:
        raise _error(code, of_method)
    return code


# ---- values: of each row of a table --------------------------------------------------------------------------------

_CHARS, _OWN_TEXT, _OWN_BLOB = 12, 13, 14
_KINDS = {1: ("i8", "b", int), 2: ("i16", "h", int), 3: ("i32", "i", int), 4: ("i64", "q", int), 5: ("u8", "B", int),
          6: ("u16", "H", int), 7: ("u32", "I", int), 8: ("u64", "Q", int), 9: ("f32", "f", float),
          10: ("f64", "d", float), 11: ("bool", "?", bool), _CHARS: ("text", None, str),
          _OWN_TEXT: ("text", "PN", str), _OWN_BLOB: ("blob", "PN", bytes)}
_owned = struct.Struct("PN")


def _is_like_text(value):
    return isinstance(value, (str, bytes, bytearray))


def _nest(flat, shape):
    for n in reversed(shape[1:]):
        flat = [flat[i:i + n] for i in range(0, len(flat), n)]
    return flat


class _Row:
    """An attribute, an argument or a field of a result: its place in its struct, and how it becomes a Python value."""

    def __init__(self, a):
        dims = tuple(a.dims[:a.rank])
        self.name, self.unit, self.doc = _decode(a.name), _decode(a.unit), _decode(a.doc)
        self.kind, self.offset, self.size, self.writable = a.kind, a.offset, a.size, a.writable
        self.shape = dims[:-1] if a.kind == _CHARS else dims
        self.n = math.prod(self.shape)
        self.width = a.size // self.n
        kind, letter, self.python = _KINDS.get(a.kind) or _unknown(self.name, a.kind)
        self.letter = letter if a.kind < _CHARS else None
        self.packed = struct.Struct(f"={self.n}{letter}") if self.letter else None
        self.type = kind + "".join(f"[{n}]" for n in dims)

    def describe(self):
        text = self.type + (f" in {self.unit}" if self.unit else "") + (", writable" if self.writable else "")
        return text + (f": {self.doc}" if self.doc else "")

    def load(self, memory, at):
        if self.packed:
            flat = self.packed.unpack_from(memory, at)
        else:
            flat = [self._load_long(memory, at + i * self.width) for i in range(self.n)]
        return _nest(list(flat), self.shape) if self.shape else flat[0]

    def _load_long(self, memory, at):
        if self.kind == _CHARS:
            return _decode(memory.raw[at:at + self.width].split(b"\0", 1)[0])
        data, size = _owned.unpack_from(memory, at)
        if self.kind == _OWN_BLOB:
            return ctypes.string_at(data, size) if data else b""
        return _decode(ctypes.string_at(data, size)) if data else None

    def fini(self, memory, at):
        free = {_OWN_TEXT: _lib.stoa_text_fini, _OWN_BLOB: _lib.stoa_blob_fini}.get(self.kind)
        for i in range(self.n if free else 0):
            free(addressof(memory) + at + i * self.width)

    def store(self, memory, at, value, whose):
        """The bytes that memory then points to, for the caller to keep."""
        flat = self._flatten(value, self.shape, value, whose)
        if self.packed:
            flat = [self._number(v, whose) for v in flat]
            try:
                self.packed.pack_into(memory, at, *flat)
            except OverflowError:
                raise self._wrong(OverflowError, whose, value, "is out of range") from None
            return []
        kept = [self._bytes(v, whose) for v in flat]
        for i, data in enumerate(kept):
            if self.kind == _CHARS:
                memory[at + i * self.width:at + i * self.width + len(data)] = data
            elif data is not None:
                start = ctypes.cast(c_char_p(data), c_void_p).value
                _owned.pack_into(memory, at + i * self.width, start, len(data))
        return kept

    def _wrong(self, error, whose, value, why):
        text = repr(value)
        return error(f"{whose}: {self.name} is {self.type}; {text if len(text) <= 60 else text[:57] + '...'} {why}")

    def _flatten(self, value, shape, all_of_it, whose):
        if not shape:
            return [value]
        try:
            parts = None if _is_like_text(value) else list(value)
        except TypeError:
            parts = None
        if parts is None or len(parts) != shape[0]:
            error = TypeError if parts is None else ValueError
            raise self._wrong(error, whose, all_of_it, f"is not a list of {' by '.join(map(str, self.shape))} values")
        return [v for part in parts for v in self._flatten(part, shape[1:], all_of_it, whose)]

    def _number(self, value, whose):
        if self.python is bool:
            if value in (True, False) and not _is_like_text(value):
                return bool(value)
            raise self._wrong(TypeError, whose, value, "is not True or False")
        try:
            if self.python is float and not _is_like_text(value):
                return float(value)
            number = operator.index(value)
        except TypeError:
            what = "a number" if self.python is float else "a whole number"
            raise self._wrong(TypeError, whose, value, f"is not {what}") from None
        bits = 8 * self.width
        least, most = (-1 << bits - 1, (1 << bits - 1) - 1) if self.letter.islower() else (0, (1 << bits) - 1)
        if not least <= number <= most:
            raise self._wrong(OverflowError, whose, value, f"is out of range: {least} to {most}")
        return number

    def _bytes(self, value, whose):
        if self.kind == _OWN_BLOB:
            if isinstance(value, (bytes, bytearray, memoryview)):
                return bytes(value)
            raise self._wrong(TypeError, whose, value, "is not bytes")
        if value is None and self.kind == _OWN_TEXT:
            return None
        if not isinstance(value, str):
            raise self._wrong(TypeError, whose, value, "is not a str")
        data = _encode(value)
        if self.kind == _CHARS and (len(data) >= self.width or b"\0" in data):
            why = "has a NUL" if b"\0" in data else f"has {len(data)} bytes; at most {self.width - 1} fit"
            raise self._wrong(ValueError, whose, value, why)
        return data


def _unknown(name, kind):
    raise TypeError(f"{name} is of kind {kind}, which this stoa.py does not know; the library is newer")


def _to_json(value, whose):
    """A value as the built-in classes read it: what JSON has none for is a text whose first character is escaped."""
    marked = None
    if isinstance(value, (bytes, bytearray, memoryview)):
        marked = "0x" + bytes(value).hex()
    elif isinstance(value, float) and not math.isfinite(value):
        marked = str(float(value))
    elif not isinstance(value, (str, int, float)):
        raise TypeError(f"{whose}: a value is {_AnyRow.HOLDS}; not {type(value).__name__}")
    elif isinstance(value, int) and not -1 << 63 <= value < 1 << 63:
        raise OverflowError(f"{whose}: {value} is out of range: {-1 << 63} to {(1 << 63) - 1}")
    return json.dumps(value, ensure_ascii=False) if marked is None else f'"\\u{ord(marked[0]):04x}{marked[1:]}"'


def _from_json(text):
    """The list or dict. No value is a list of its own: until the end such a one stands for a blob."""
    names = {"6ean": "NaN", "69nf": "Infinity", "2dinf": "-Infinity"}
    found = json.loads(re.sub(r'"\\u00(?:30x([0-9a-f]*)|(6ean|69nf|2dinf))"',
                              lambda m: names[m[2]] if m[2] else f'["{m[1]}"]', text))
    for at, value in found.items() if isinstance(found, dict) else enumerate(found):
        if isinstance(value, list):
            found[at] = bytes.fromhex(value[0])
    return found


class _JsonRow(_Row):
    """A text of JSON that a built-in dict, list, set or queue takes or returns: a dict, or a list."""

    def __init__(self, a, of):
        super().__init__(a)
        self.is_object, self.python = of == "dict", object
        self.type = "dict or pairs" if self.is_object else "values"

    def load(self, memory, at):
        found = _from_json(super().load(memory, at))
        return found.items() if isinstance(found, dict) else found

    def _bytes(self, value, whose):
        return super()._bytes(value if isinstance(value, str) else self._written(value, whose), whose)

    def _written(self, value, whose):
        if not self.is_object:
            return "[" + ", ".join(_to_json(v, whose) for v in value) + "]"
        pairs = dict(value)
        for key in pairs:
            if not isinstance(key, str):
                raise TypeError(f"{whose}: a key is a str; not {type(key).__name__}")
        return "{" + ", ".join(_to_json(k, whose) + ": " + _to_json(v, whose) for k, v in pairs.items()) + "}"


class _AnyRow:
    """A member that is a struct stoa_any: six rows, of which the first says which counts. None: none does."""

    FIELDS = {"kind": 5, "flag": 11, "i64": 4, "f64": 10, "text": _OWN_TEXT, "blob": _OWN_BLOB}
    HOLDS = "bool, int, float, str, bytes or None"
    KINDS = {bool: "flag", int: "i64", float: "f64", str: "text", bytes: "blob", bytearray: "blob", memoryview: "blob"}
    type, python, shape, unit, doc, writable, kind = "any", object, (), "", "", False, None

    def __init__(self, rows):
        self.name, self.offset = rows[0].name.rpartition(".")[0], rows[0].offset
        self.fields = dict(zip(self.FIELDS, rows))

    @classmethod
    def fold(cls, rows):
        """These rows, with one for each six that are a struct stoa_any."""
        folded, n, i = [], len(cls.FIELDS), 0
        while i < len(rows):
            stem = rows[i].name.rpartition(".")[0]
            wanted = [(f"{stem}.{name}", kind, ()) for name, kind in cls.FIELDS.items()]
            is_one = [(row.name, row.kind, row.shape) for row in rows[i:i + n]] == wanted
            folded.append(cls(rows[i:i + n]) if is_one else rows[i])
            i += n if is_one else 1
        return folded

    def describe(self):
        return self.HOLDS

    def load(self, memory, at):
        kind = self.fields["kind"].load(memory, at)
        row = next((row for row in list(self.fields.values())[1:] if row.kind == kind), None)
        return row.load(memory, row.offset) if row else None

    def fini(self, memory, at):
        for row in self.fields.values():
            row.fini(memory, row.offset)

    def store(self, memory, at, value, whose):
        if value is None:
            return []
        name = next((name for kind, name in self.KINDS.items() if isinstance(value, kind)), None)
        if name is None:
            raise TypeError(f"{whose}: {self.name} is {self.describe()}; not {type(value).__name__}")
        row = self.fields[name]
        self.fields["kind"].store(memory, at, row.kind, whose)
        return row.store(memory, row.offset, value, whose)


class _Shape:
    """A struct: the state, the arguments or the result. A nested a.b is also a_b where a name cannot have dots."""

    def __init__(self, s, native=None):
        self.size = s.contents.size if s else 0
        attrs = [s.contents.attrs[i] for i in range(s.contents.n_attrs)] if s else []
        self.rows = _AnyRow.fold([_JsonRow(a, native) if native and a.name == b"json" else _Row(a) for a in attrs])
        self.names = {row.name.replace(".", "_"): row for row in self.rows}
        self.names.update({row.name: row for row in self.rows})

    def describe(self):
        return ", ".join(f"{row.name}: {row.type}" for row in self.rows) or "nothing"

    def new(self):
        return ctypes.create_string_buffer(self.size or 1)

    def load(self, memory):
        try:
            return {row.name: row.load(memory, row.offset) for row in self.rows}
        finally:
            for row in self.rows:
                row.fini(memory, row.offset)

    def find(self, name, whose):
        row = self.names.get(name)
        if row is None:
            raise KeyError(f"{whose} has no {name!r}; it has {self.describe()}")
        return row

    def bind(self, values, fields, whose, partial=False):
        """Rows and values, as a call of a Python function binds them."""
        if not fields and len(values) == len(self.rows):
            return zip(self.rows, values)
        if len(values) > len(self.rows):
            raise TypeError(f"{whose} takes {self.describe()}; not {len(values)} values")
        bound = dict(zip(self.rows, values))
        for name, value in fields.items():
            row = self.names.get(name)
            if row is None or row in bound:
                raise TypeError(f"{whose} takes {self.describe()}; "
                                + (f"not {name!r}" if row is None else f"{name} is given twice"))
            bound[row] = value
        missing = [row.name for row in self.rows if row not in bound and not isinstance(row, _AnyRow)]
        if missing and not partial:
            raise TypeError(f"{whose} takes {self.describe()}; {missing[0]} is missing")
        return bound.items()

    def pack(self, bound, whose):
        """A struct of these values, and what it points to."""
        memory = self.new()
        return memory, [row.store(memory, row.offset, value, whose) for row, value in bound]

    def signature(self):
        names = [row.name.replace(".", "_") for row in self.rows]
        if not all(map(str.isidentifier, names)) or len(set(names)) < len(names):
            return None
        kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
        parameters = [inspect.Parameter(n, kind, annotation=list if row.shape else row.python,
                                        default=None if isinstance(row, _AnyRow) else inspect.Parameter.empty)
                      for n, row in zip(names, self.rows)]
        try:
            return inspect.Signature(parameters)
        except ValueError:
            return None


# ---- classes: a Python type for each ---------------------------------------------------------------------------------

class _Description:
    """A class as the library describes it. Methods are in the order of the table."""

    def __init__(self, c):
        self.name, self.version, self.doc = _decode(c.name), c.version, _decode(c.doc)
        self.state = _Shape(c.state)
        self.init = _Shape(c.hooks.contents.init_args) if c.hooks and c.hooks.contents.init_args else self.state
        self.native = self.name if self.name in _natives and _is_built_in(c) else None
        self.methods = []
        while c.methods and c.methods[len(self.methods)]:
            self.methods.append(_MethodRow(c.methods[len(self.methods)].contents, len(self.methods), self.native))


class _MethodRow:
    def __init__(self, m, index, native):
        self.name, self.class_name, self.index = _decode(m.name), _decode(m.class_name), index
        self.args, self.ret = _Shape(m.args, native), _Shape(m.ret, native)
        self.errors = _like_python.get((native, self.name)) or _like_python.get((native, None)) or {}
        self.whose = f"method {self.name} of class {self.class_name}"
        self.doc, self.signature = self._describe(m), self.args.signature()
        names = [row.name.replace(".", "_") for row in self.ret.rows]
        self.result = collections.namedtuple(self.name + "_result", names, rename=True) if len(names) > 1 else None

    def _describe(self, m):
        lines = [_decode(m.doc)] if m.doc else []
        lines += [f"{row.name}: {row.describe()}" for row in self.args.rows]
        if self.ret.rows:
            lines.append("Returns " + ", ".join(f"{row.name} ({row.describe()})" for row in self.ret.rows))
        lines.append(f"Reads {_decode(m.reads) or '-'}" if m.reader else f"Writes {_decode(m.writes) or '-'}")
        return "\n".join(lines)

    def pack(self, values, fields):
        return self.args.pack(self.args.bind(values, fields, self.whose), self.whose)

    def unpack(self, memory):
        values = list(self.ret.load(memory).values())
        return self.result(*values) if self.result else values[0] if values else None


# A method of an object: calling it waits for the answer and returns the result; cast() only queues it. In the type it
# is the descriptor that gives one for each object; its doc is that of the method, and so there is none of the class.
class Method:
    __slots__ = ("_row", "_of", "_timeout")
    __doc__ = property(lambda self: self._row.doc)

    def __init__(self, row, of=None, timeout=None):
        self._row, self._of, self._timeout = row, of, timeout

    def __get__(self, of, cls=None):
        return self if of is None or self._of is not None else type(self)(self._row, of)

    def __getattr__(self, name):
        row = self._row
        value = {"__name__": row.name, "__qualname__": f"{row.class_name}.{row.name}",
                 "__signature__": row.signature}.get(name)
        if value is None:
            raise AttributeError(f"method {row.name} has no {name!r}")
        return value

    def __repr__(self):
        of = f" of {self._of!r}" if self._of is not None else ""
        return f"<method {self._row.name}({self._row.args.describe()}){of}>"

    def _hold(self):
        if self._of is None:
            raise TypeError(f"{self._row.whose} is called on an object")
        return _hold_of(self._of)

    def __call__(self, *values, **fields):
        """Call it and wait for the answer: None, the value of a result of one field, or a named tuple."""
        hold, row = self._hold(), self._row
        args, _kept = row.pack(values, fields)
        ret = row.ret.new()
        _check(_lib.stoa_call(hold.proxy, hold.methods[row.index], args, ret, _ns(self._timeout)), row.errors)
        return row.unpack(ret)

    def cast(self, *values, **fields):
        """Queue it, and do not wait for the answer. Namespace.sync tells whether any was rejected."""
        hold, row = self._hold(), self._row
        args, _kept = row.pack(values, fields)
        _check(_lib.stoa_cast(hold.proxy, hold.methods[row.index], args, _ns(self._timeout)))

    def within(self, timeout):
        """The same method, with another timeout in seconds: hits.add.within(0.5)(1)."""
        _ns(timeout)
        return type(self)(self._row, self._of, timeout)

    def command(self, *values, **fields):
        """This call as one of several: Namespace.call_many."""
        self._hold()
        return Command(self._of, self._row, self._row.pack(values, fields))


# list.index and set.pop: that there is nothing is an answer of the method, and an error in Python.
class _Found(Method):
    __slots__ = ()
    __doc__ = Method.__doc__

    def __call__(self, *values, **fields):
        found = Method.__call__(self, *values, **fields)
        if self._row.name == "index" and found == -1:
            raise NoValue(errno.ENOENT, "there is no such value")
        if found is None:
            raise NoKey(errno.ENOENT, "the set is empty")
        return found


# dict.pop: None is a fallback, too, which to the method is none.
class _Popped(Method):
    __slots__ = ()
    __doc__ = Method.__doc__

    def __call__(self, *values, **fields):
        try:
            return Method.__call__(self, *values, **fields)
        except NoKey:
            if len(values) + len(fields) < 2:
                raise
            return None


class Command:
    """A call for Namespace.call_many, made by Method.command."""

    def __init__(self, of, row, packed):
        self._of, self._row, self._packed = of, row, packed


class _Attribute:
    """An attribute in the type of an object: reading it reads behind the barrier, setting it assigns."""

    def __init__(self, row):
        self._row = row
        self.__name__, self.__doc__ = row.name.rpartition(".")[2], row.describe()

    def __get__(self, of, cls=None):
        return self if of is None else Object.get(of._stoa_root, self._row.name)

    def __set__(self, of, value):
        Object.assign(of._stoa_root, {self._row.name: value})

    def __delete__(self, of):
        raise AttributeError(f"attribute {self._row.name} cannot be deleted")


class _GroupOf:
    """Several nested attributes in the type of an object."""

    def __init__(self, name, members):
        self.__name__ = name.rpartition(".")[2]
        self.__doc__ = "Nested attributes: " + ", ".join(sorted(members))
        self._type = type(self.__name__, (Group,), {"__slots__": (), "__doc__": self.__doc__, "__module__": __name__,
                                                    **members})

    def __get__(self, of, cls=None):
        return self if of is None else self._type(of._stoa_root)


class Group:
    """The nested attributes of an object below one name."""

    __slots__ = ("_stoa_root",)

    def __init__(self, root):
        object.__setattr__(self, "_stoa_root", root)

    def __repr__(self):
        return f"<{type(self).__name__} of {self._stoa_root!r}>"


def _members(rows, prefix=""):
    """What a type has for these attributes, nested ones in groups."""
    members, groups = {}, {}
    for row in rows:
        head, _, rest = row.name[len(prefix):].partition(".")
        if rest:
            groups.setdefault(head, []).append(row)
        else:
            members[head] = _Attribute(row)
    for head, inner in groups.items():
        members.setdefault(head, _GroupOf(prefix + head, _members(inner, prefix + head + ".")))
    return members


def _make_type(description):
    doc = description.doc or f"An object of class {description.name}."
    body = _members(description.state.rows)
    native = description.native
    body.update({m.name: _methods.get((native, m.name), Method)(m) for m in description.methods})
    body = {name: value for name, value in body.items() if not name.startswith(("__", "_stoa_"))}
    body.update({"__slots__": (), "__doc__": doc, "__module__": __name__, "_stoa_class": description})
    return type(description.name, (_natives[native] if native else _waiting.get(description.name, Object),), body)


_types = {}


def _fingerprint(c):
    """All that a type is made from, to make it once."""
    def of_struct(s):
        rows = [s.contents.attrs[i] for i in range(s.contents.n_attrs)] if s else []
        return tuple((a.name, a.unit, a.doc, a.offset, a.size, tuple(a.dims), a.rank, a.kind, a.writable) for a in rows)
    methods, init = [], c.hooks.contents.init_args if c.hooks else None
    while c.methods and c.methods[len(methods)]:
        m = c.methods[len(methods)].contents
        methods.append((m.name, m.class_name, of_struct(m.args), of_struct(m.ret), m.writes, m.reads, m.doc, m.reader))
    return c.name, c.version, c.doc, of_struct(c.state), of_struct(init), tuple(methods)


def _type_of(c):
    key = _fingerprint(c)
    if key not in _types:
        _types[key] = _make_type(_Description(c))
    return _types[key]


# ---- handles -----------------------------------------------------------------------------------------------------

class _Space:
    """An attached namespace, detached once by the last that holds it. Lists: what is done with them is atomic."""

    __slots__ = ("pointer", "users", "last")

    def __init__(self, pointer):
        self.pointer, self.users, self.last = pointer, [], [None]


class _Hold:
    """A use of a namespace, with a proxy or without. A thread in a call has it in a local variable: what is closed
    meanwhile, by another thread or by a signal handler, is freed only when that call has returned."""

    __slots__ = ("space", "proxy", "methods", "__weakref__")

    def __init__(self, space, proxy=None):
        space.users.append(None)
        self.space, self.proxy, self.methods = space, proxy, ()

    def __del__(self, close=_lib.stoa_close, detach=_lib.stoa_detach):
        if self.proxy:
            close(self.proxy)
        self.space.users.pop()
        if not self.space.users and self.space.last:
            try:
                self.space.last.pop()
            except IndexError:  # another thread was faster
                return
            detach(self.space.pointer)


def _hold_of(obj):
    hold = obj._stoa_hold
    if hold is None:
        raise ValueError(f"{obj!r} is closed")
    return hold


# ---- what one gets ---------------------------------------------------------------------------------------------------

Stamp = collections.namedtuple("Stamp", "version changes time_ns pid client")
Stamp.__doc__ = "Who changed a value last, and when: version grows with every change; changes counts them."
Change = collections.namedtuple("Change", "value changes stamp")
Change.__doc__ = "A new value: changes is how many there were since the one before, 1 if none was skipped."
_not_shown = "reserved", "unused"
Health = collections.namedtuple("Health", [name for name, _ in _Health._fields_ if name not in _not_shown])
Health.__doc__ = "How the coordinator does: verdict is healthy, suspect or gone; heartbeat_age, running_for in seconds."
Rejection = collections.namedtuple("Rejection", [name for name, _ in _Rejection._fields_ if name not in _not_shown])
Rejection.__doc__ = "A command that was not applied, and why."


class Snapshot(dict):
    """The attributes of an object at one moment, by name; stamp is that of the newest change."""

    stamp = None

    @classmethod
    def made(cls, of, memory, stamp):
        snapshot = cls(of._stoa_class.state.load(memory))
        snapshot.stamp = Stamp(stamp.version, stamp.changes, stamp.time_ns, stamp.pid, stamp.client)
        return snapshot


def _stamp(s):
    return Stamp(s.version, s.changes, s.time_ns, s.pid, s.client)


def _fields(s):
    values = {name: getattr(s, name) for name, _ in s._fields_ if name not in _not_shown}
    return {name: _decode(v) if isinstance(v, bytes) else v for name, v in values.items()}


def _patiently(timeout, error, attempt):
    """attempt(seconds) again and again until it does not raise error, so that signals are noticed on the way."""
    end = None if timeout is None else time.monotonic() + timeout
    while True:
        left = _STEP if end is None else min(_STEP, max(end - time.monotonic(), 1e-9))
        try:
            return attempt(0 if timeout == 0 else left)
        except error:
            if end is not None and time.monotonic() >= end:
                raise


# ---- objects -------------------------------------------------------------------------------------------------------

class Object:
    """An object of a namespace. Its class gives it attributes and methods of its own."""

    __slots__ = ("_stoa_hold", "_stoa_name", "_stoa_where", "__weakref__")

    def __init__(self, *_):
        raise TypeError("objects come from Namespace.create and Namespace.open")

    @property
    def _stoa_root(self):
        return self

    def __repr__(self):
        return f"<{type(self).__name__} {self._stoa_name!r} in {self._stoa_where[0]!r}>"

    def __reduce__(self):
        return _reopen, (self._stoa_where, self._stoa_name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        Object.close(self)

    def __getitem__(self, name):
        return Object.get(self, name)

    def __setitem__(self, name, value):
        Object.assign(self, {name: value})

    def _stoa_row(self, name):
        return self._stoa_class.state.find(name, f"class {self._stoa_class.name}")

    def _stoa_read(self, read, row, *timeout):
        value, stamp = ctypes.create_string_buffer(row.size), _Stamp()
        _check(read(_hold_of(self).proxy, row.offset, value, row.size, *timeout, byref(stamp)))
        try:
            return row.load(value, 0), _stamp(stamp)
        finally:
            row.fini(value, 0)

    def get(self, name, timeout=None):
        """The value of an attribute, after all writes to it that were accepted before."""
        return self._stoa_read(_lib.stoa_get, Object._stoa_row(self, name), _ns(timeout))[0]

    def read(self, name, timeout=None):
        """The same, with its Stamp: (value, stamp)."""
        return self._stoa_read(_lib.stoa_get, Object._stoa_row(self, name), _ns(timeout))

    def peek(self, name):
        """The last committed value, without waiting for pending writes; also while the coordinator is down."""
        return self._stoa_read(_lib.stoa_peek, Object._stoa_row(self, name))[0]

    def assign(self, values, timeout=None):
        """Assign attributes from a dict: one is only queued; several are one command, all or nothing, waited for."""
        hold = _hold_of(self)
        whose = f"class {self._stoa_class.name}"
        rows = [Object._stoa_row(self, name) for name in values]
        packed = [self._stoa_pack(row, value, whose) for row, value in zip(rows, values.values())]
        if len(rows) == 1:
            _check(_lib.stoa_assign(hold.proxy, rows[0].offset, packed[0][0], rows[0].size, _ns(timeout)))
            return
        commands = (_Command * len(rows))()
        for command, row, (memory, _) in zip(commands, rows, packed):
            command.proxy, command.attr, command.size = hold.proxy, row.offset, row.size
            command.args = addressof(memory)
        _check(_lib.stoa_call_many(hold.space.pointer, len(rows), commands, _ns(timeout)))

    @staticmethod
    def _stoa_pack(row, value, whose):
        memory = ctypes.create_string_buffer(row.size)
        return memory, row.store(memory, 0, value, whose)

    def _stoa_method(self, name):
        for row in self._stoa_class.methods:
            if row.name == name:
                return _methods.get((self._stoa_class.native, name), Method)(row, self)
        has = ", ".join(row.name for row in self._stoa_class.methods) or "none"
        raise AttributeError(f"class {self._stoa_class.name} has no method {name!r}; it has {has}")

    def call(self, method, /, *values, **fields):
        """Call a method by name: hits.call("add", 5) is hits.add(5)."""
        return Object._stoa_method(self, method)(*values, **fields)

    def cast(self, method, /, *values, **fields):
        """Cast a method by name."""
        Object._stoa_method(self, method).cast(*values, **fields)

    def snapshot(self, timeout=None):
        """All attributes at one moment, as a dict, behind the barrier."""
        state, stamp = self._stoa_class.state, _Stamp()
        memory = state.new()
        _check(_lib.stoa_snapshot(_hold_of(self).proxy, memory, state.size, _ns(timeout), byref(stamp)))
        return Snapshot.made(self, memory, stamp)

    def wait(self, name=None, after=0, timeout=None):
        """Wait until an attribute (None: any) has a version above after; returns its Stamp.

        To miss nothing, pass the version of what you read last. Without a timeout it waits as long as it takes.
        """
        attr = _ALL if name is None else Object._stoa_row(self, name).offset
        hold, stamp = _hold_of(self), _Stamp()

        def attempt(seconds):
            _check(_lib.stoa_wait(hold.proxy, attr, after, _ns(seconds), byref(stamp)))
            return _stamp(stamp)
        return _patiently(timeout, (Timeout, WouldBlock), attempt)

    def watch(self, name=None, timeout=None, initial=True):
        """Yield a Change for the value of an attribute (None: a snapshot of all) as it is, and for each new one.

        Without initial, only for what is newer than this call.
        Changes that come faster than they are taken are told as one, with their number; of a snapshot, that of changed
        attributes. timeout is for each of them: Timeout is raised when nothing changed for so long.
        """
        return Object._stoa_changes(self, name, timeout, None if initial else Object._stoa_look(self, name)[1])

    def _stoa_look(self, name):
        if name is not None:
            return Object.read(self, name)
        value = Object.snapshot(self)
        return value, value.stamp

    def _stoa_changes(self, name, timeout, seen):
        while True:
            Object.wait(self, name, seen.version if seen else 0, timeout)
            value, stamp = Object._stoa_look(self, name)
            yield Change(value, stamp.changes - seen.changes if seen else 1, stamp)
            seen = stamp

    def close(self):
        """Give the handle back; the object stays."""
        self._stoa_hold = None


# ---- built-in classes that are waited for: the library has a function for each that takes its own table only -------

def _as_built_in(obj, cls):
    hold, proxy, table = _hold_of(obj), c_void_p(), _Class.in_dll(_lib, f"stoa_{cls}_class")
    _check(_lib.stoa_open(hold.space.pointer, _name(obj._stoa_name), byref(table), 0, byref(proxy)))
    return _Hold(hold.space, proxy.value)


class Lease(Object):
    """A named lock, which the death of the process that has it frees."""

    __slots__ = ()

    def take(self, owner="", ttl=0, timeout=None):
        """Take it, for ttl seconds (0: until it is released); waits for it, without a timeout as long as it takes.

        Returns its token, for release and renew. owner is shown to others. Timeout: another has it; the text says who.
        """
        hold, token, ns = _as_built_in(self, "lease"), c_uint64(), _ns(ttl)

        def attempt(seconds):
            _check(_lib.stoa_lease_take(hold.proxy, _name(owner), ns, _ns(seconds), byref(token)))
            return token.value
        return _patiently(timeout, (Timeout, WouldBlock), attempt)

    @contextlib.contextmanager
    def held(self, owner="", ttl=0, timeout=None):
        """Have it while a with statement runs: with nightly.held("backup") as token."""
        token = Lease.take(self, owner, ttl, timeout)
        try:
            yield token
        finally:
            Object.call(self, "release", token)


class Latch(Object):
    """It is counted down, and opens at 0."""

    __slots__ = ()

    def wait_open(self, timeout=None):
        """Wait until nothing is left, without a timeout as long as it takes."""
        hold = _as_built_in(self, "latch")
        _patiently(timeout, (Timeout, WouldBlock), lambda s: _check(_lib.stoa_latch_wait(hold.proxy, _ns(s))))


class Rendezvous(Object):
    """Parties that do one step after the other together."""

    __slots__ = ()

    def meet(self, seat, timeout=None):
        """Arrive, and wait until all have: seat is what join returned."""
        hold = _as_built_in(self, "rendezvous")
        _check(_lib.stoa_rendezvous_meet(hold.proxy, seat, _ns(timeout)))


_waiting = {"latch": Latch, "lease": Lease, "rendezvous": Rendezvous}


# ---- built-in classes that are as Python's own: each of these is one command ---------------------------------------

class Dict(Object):
    """As Python's dict, with keys that are str. What walks it walks one reading of all its keys.

    d["n"] += 1 is two commands; d.add("n", 1) is one.
    """

    __slots__ = ()

    def __len__(self):
        return self.len

    def __iter__(self):
        return iter(self.keys())

    def __contains__(self, key):
        return self.contains(key)

    def __getitem__(self, key):
        value = self.get(key)
        if value is None:
            raise NoKey(errno.ENOENT, f"there is no key {key!r}")
        return value

    def __setitem__(self, key, value):
        self.put(key, value)

    def __delitem__(self, key):
        self.pop(key)


class Set(Object):
    """As Python's set, but that 1, 1.0 and True are three. What walks it walks one reading of all."""

    __slots__ = ()
    __len__, __contains__ = Dict.__len__, Dict.__contains__

    def __iter__(self):
        return iter(self.members())


class List(Object):
    """As Python's list. What walks it walks one reading of all."""

    __slots__ = ()
    __len__, __contains__ = Dict.__len__, Dict.__contains__

    def __iter__(self):
        return iter(self.items())

    def __getitem__(self, index):
        if not isinstance(index, slice):
            return self.get(index)
        if index.step not in (None, 1):
            return self.items()[index]
        return self.slice(index.start or 0, (1 << 63) - 1 if index.stop is None else index.stop)

    def __setitem__(self, index, value):
        self.set(index, value)

    def __delitem__(self, index):
        self.delete(index)


class Queue(Object):
    """As Python's queue; get does not wait, take does. What walks it walks one reading of all, and takes nothing."""

    __slots__ = ()
    __len__, __iter__ = Dict.__len__, List.__iter__


_natives = {"dict": Dict, "list": List, "queue": Queue, "set": Set}
_methods = {("dict", "pop"): _Popped, ("list", "index"): _Found, ("set", "pop"): _Found}
_like_python = {("dict", None): {errno.ENOENT: NoKey}, ("set", None): {errno.ENOENT: NoKey},
                ("list", None): {errno.ERANGE: NoIndex, errno.ENOENT: NoIndex},
                ("list", "remove"): {errno.ENOENT: NoValue}, ("queue", None): {errno.ENOBUFS: Full}}


def _is_built_in(c):
    """Whether a class of one of these names has all that the library's own has, and is not one of a user."""
    own = _Class.in_dll(_lib, f"stoa_{_decode(c.name)}_class")
    return {m[:4] for m in _fingerprint(own)[-1]} <= {m[:4] for m in _fingerprint(c)[-1]}


# ---- namespaces ----------------------------------------------------------------------------------------------------

class Signals:
    """A class without C, for Namespace.create: Signals("position.x:f64 unit=m", "ok:bool", "name:text[32]").

    A row is NAME:TYPE, then unit=UNIT and doc=TEXT as you like; stoa_classes(7) has the types. Without a name its rows
    make one: the same rows are the same class.
    """

    def __init__(self, *rows, name=None):
        self.rows, found = rows, c_void_p()
        lines = (c_char_p * len(rows))(*map(_name, rows))
        _check(_lib.stoa_signals(None if name is None else _name(name), lines, len(rows), byref(found)))
        self._found = found  # the library's, for ever
        self.name = _decode(_Class.from_address(found.value).name)

    def __repr__(self):
        return f"<class {self.name!r} of {', '.join(self.rows)}>"


class Namespace:
    """A namespace, attached: made by attach and start. Closing it closes all objects that were opened from it."""

    def __init__(self, pointer, name, timeout, read_only):
        self.name = name
        self._hold = _Hold(_Space(pointer))
        self._where = name, timeout, read_only
        self._objects = weakref.WeakValueDictionary()

    def __repr__(self):
        return f"<stoa.Namespace {self.name!r}{'' if self._hold else ', closed'}>"

    def __reduce__(self):
        return attach, self._where

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _held(self):
        hold = self._hold
        if hold is None:
            raise ValueError(f"namespace {self.name!r} is closed")
        return hold

    def _made(self, hold, name, proxy):
        own = _Hold(hold.space, proxy.value)
        described = _lib.stoa_class_of(own.proxy).contents
        cls = _type_of(described)
        own.methods = [ctypes.cast(described.methods[i], c_void_p).value for i in range(len(cls._stoa_class.methods))]
        made = object.__new__(cls)
        made._stoa_hold, made._stoa_name, made._stoa_where = own, name, self._where
        self._objects[id(made)] = made
        return made

    def _find_class(self, cls):
        found = c_void_p()
        _check(_lib.stoa_find_class(self._held().space.pointer, _name(cls), byref(found)))
        return found

    def create(self, name, cls, /, *values, exclusive=False, **fields):
        """Create an object of a class (its name, or Signals), from values of its first state or of what its class takes
        to be made; what is not given is zero. If there is one of that class it is opened, or with exclusive Exists is
        raised."""
        hold, proxy = self._held(), c_void_p()
        found = cls._found if isinstance(cls, Signals) else self._find_class(cls)
        init = _type_of(_Class.from_address(found.value))._stoa_class.init
        whose = f"creating a {cls.name if isinstance(cls, Signals) else cls}"
        bound = init.bind(values, fields, whose, partial=True)
        memory, _kept = init.pack(bound, whose) if values or fields else (None, None)
        flags = _EXCL if exclusive else 0
        _check(_lib.stoa_create(hold.space.pointer, _name(name), found, memory, flags, byref(proxy)))
        return self._made(hold, name, proxy)

    def open(self, name, timeout=0):
        """Open an object; waits for it up to timeout."""
        hold, proxy = self._held(), c_void_p()

        def attempt(seconds):
            _check(_lib.stoa_open(hold.space.pointer, _name(name), None, _ns(seconds), byref(proxy)))
        _patiently(timeout, NotFound, attempt)
        return self._made(hold, name, proxy)

    def remove(self, name, timeout=None):
        """Remove an object, after the commands that were queued before."""
        _check(_lib.stoa_remove(self._held().space.pointer, _name(name), _ns(timeout)))

    def list(self, pattern=None):
        """The objects whose names match (*, ? and [] as in a shell): a dict of name to name of class."""
        hold, found = self._held(), {}

        def each(_, name, cls):
            found[_decode(name)] = _decode(cls.contents.name)
            return 0
        _check(_lib.stoa_list(hold.space.pointer, None if pattern is None else _name(pattern), _Each(each), None))
        return found

    def classes(self):
        """The classes that the coordinator has: a dict of name to Python type."""
        hold, found = self._held(), {}

        def each(_, cls, fingerprint):
            found[_decode(cls.contents.name)] = _type_of(cls.contents)
            return 0
        _check(_lib.stoa_classes(hold.space.pointer, _EachClass(each), None))
        return found

    def describe(self, cls):
        """The Python type of a class, by name: help(ns.describe("counter"))."""
        return _type_of(_Class.from_address(self._find_class(cls).value))

    def snapshot(self, *objects, timeout=None):
        """Snapshots of several objects, all at the same moment: a list."""
        holds = [_hold_of(o) for o in objects]
        memories = [o._stoa_class.state.new() for o in objects]
        proxies = (c_void_p * len(objects))(*[h.proxy for h in holds])
        states = (c_void_p * len(objects))(*[addressof(m) for m in memories])
        stamps = (_Stamp * len(objects))()
        _check(_lib.stoa_snapshot_many(len(objects), proxies, states, _ns(timeout), stamps))
        return [Snapshot.made(o, m, s) for o, m, s in zip(objects, memories, stamps)]

    def call_many(self, commands, timeout=None):
        """Several calls as one, all or nothing: ns.call_many([a.take.command(1), b.put.command(1)]); their results."""
        for c in commands:
            if not isinstance(c, Command):
                raise TypeError(f"a command is made by object.method.command(...); {c!r} is none")
        hold, n = self._held(), len(commands)
        rets = [c._row.ret.new() for c in commands]
        holds = [_hold_of(c._of) for c in commands]
        many = (_Command * n)()
        for one, command, ret, of in zip(many, commands, rets, holds):
            one.proxy, one.method = of.proxy, of.methods[command._row.index]
            one.args, one.ret = addressof(command._packed[0]), addressof(ret)
        _check(_lib.stoa_call_many(hold.space.pointer, n, many, _ns(timeout)))
        return [c._row.unpack(ret) for c, ret in zip(commands, rets)]

    def sync(self, timeout=None):
        """Wait until all that this thread sent is committed; how many of its commands were ever rejected."""
        rejected = c_uint64()
        _check(_lib.stoa_sync(self._held().space.pointer, _ns(timeout), byref(rejected)))
        return rejected.value

    def await_answer(self, ticket, timeout=None):
        """Wait for the answer to a command of this thread whose call timed out (Error.ticket); its result is dropped.
        Raises what the call would have raised."""
        _check(_lib.stoa_await(self._held().space.pointer, ticket, _ns(timeout)))

    def attach_thread(self):
        """Take this thread's memory now and not in its first write."""
        _check(_lib.stoa_attach_thread(self._held().space.pointer))

    def health(self):
        """How the coordinator does: a Health. Never blocks, works when it is hung or dead."""
        h = _Health()
        _check(_lib.stoa_health(self._held().space.pointer, byref(h)))
        values = _fields(h)
        values["verdict"] = ("healthy", "suspect", "gone")[h.verdict]
        values["heartbeat_age"] /= 1e9
        values["running_for"] /= 1e9
        return Health(**values)

    def rejected(self, after=0):
        """The last commands that were not applied (256 are kept) with a number above after: a list of Rejection."""
        hold, found = self._held(), []

        def each(_, rejection):
            values = _fields(rejection.contents)
            values["origin"] = ("library", "method")[values["origin"]]
            found.append(Rejection(**values))
            return 0
        _check(_lib.stoa_rejected(hold.space.pointer, after, _EachRejection(each), None))
        return found

    def stop(self, now=False, timeout=None):
        """End the coordinator, after what was accepted, or now; waits until it is gone."""
        _check(_lib.stoa_stop(self._held().space.pointer, 1 if now else 0, _ns(timeout)))

    def evict(self, pid, timeout=None):
        """Detach another process, as stoa_evict does: what it had queued is applied, and nothing after."""
        if not 0 < pid < 1 << 31:
            raise ValueError(f"{pid} is no pid")
        _check(_lib.stoa_evict(self._held().space.pointer, pid, _ns(timeout)))

    def close(self):
        """Detach. Calls of other threads that are under way end as they would have."""
        for ref in self._objects.valuerefs():
            opened = ref()
            if opened is not None:
                Object.close(opened)
        self._hold = None


def _default_name(name):
    return os.environ.get("STOA_NAMESPACE") or "default" if name is None else name


def _options(timeout, flags):
    ns = _ns(timeout)
    return _Options(size=ctypes.sizeof(_Options), flags=flags, timeout=0 if ns < 0 else max(ns, 1))


def attach(name=None, timeout=None, read_only=False):
    """Attach to a namespace (or USER/NAME, another user's): None is $STOA_NAMESPACE, or "default".

    timeout, in seconds: how long to wait for it, and what None means in all other calls; None: 5.
    """
    name, pointer = _default_name(name), c_void_p()
    options = _options(timeout, _READ_ONLY if read_only else 0)
    _check(_lib.stoa_attach(_name(name), byref(options), byref(pointer)))
    return Namespace(pointer.value, name, timeout, read_only)


def start(name=None, timeout=None, *, join=True, keep=False, verify=False):
    """Start a coordinator for the built-in classes from this process, before it has threads, and attach to it.

    It ends with its last client. If the namespace is served already, it is attached to, or without join Exists is
    raised. keep: the state stays for the next start. verify: look for writes that methods do not declare in large
    objects too. stoad serves classes of your own.
    """
    name, pointer = _default_name(name), c_void_p()
    options = _options(timeout, join * _JOIN | keep * _KEEP | verify * _VERIFY)
    _check(_lib.stoa_start(_name(name), None, byref(options), byref(pointer)))
    return Namespace(pointer.value, name, timeout, False)


def _reopen(where, name):
    return attach(*where).open(name)
