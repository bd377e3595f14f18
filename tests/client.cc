/*
 * client.cc: a client in C++17, run by check_cxx.sh: threads that count, values by name, text, a snapshot, a change, an
 * answer through the event loop, and errors.
 */
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <poll.h>

#include <stoa.h>
#include <stoa/counter.h>

namespace {

constexpr int threads = 4, rounds = 1000;

struct detach {
	void operator()(struct stoa *s) const { stoa_detach(s); }
};

struct close_proxy {
	void operator()(stoa_proxy *p) const { stoa_close(p); }
};

using space = std::unique_ptr<struct stoa, detach>;
using proxy = std::unique_ptr<stoa_proxy, close_proxy>;

void expect(bool good, const char *what)
{
	if (!good)
		throw std::runtime_error(what);
}

void check(int r, const char *what)
{
	stoa_error e{};
	if (r >= 0)
		return;
	stoa_last_error(&e);
	throw std::runtime_error(std::string(what) + ": " + e.text);
}

space attach()
{
	struct stoa *s = nullptr;
	stoa_options options{};
	options.size = sizeof(options);
	options.timeout = STOA_MS(20000);
	check(stoa_attach("cxx", &options, &s), "attach");
	return space(s);
}

proxy create(struct stoa *s, const char *name, const stoa_class *cls, const void *init)
{
	stoa_proxy *p = nullptr;
	check(stoa_create(s, name, cls, init, STOA_EXCL, &p), name);
	return proxy(p);
}

void count(stoa_proxy *hits)
{
	counter_args one{ 1 };
	counter_value now{};
	std::vector<std::thread> all;
	for (int t = 0; t < threads; t++)
		all.emplace_back([hits, one] {
			for (int i = 0; i < rounds; i++)
				if (counter_add_cast(hits, &one, STOA_DEFAULT) < 0)
					std::abort();
		});
	for (auto &thread : all)
		thread.join();
	check(counter_add_call(hits, &one, &now, STOA_DEFAULT), "call");
	expect(now.value == 42 + threads * rounds + 1, "the answer is not the exact count");
	counter state{};
	stoa_stamp stamp{};
	check(stoa_snapshot(hits, &state, sizeof(state), STOA_DEFAULT, &stamp), "snapshot");
	expect(state.value == now.value && stamp.version > 0, "the snapshot is not the exact count");
	check(stoa_wait(hits, offsetof(counter, value), stamp.version - 1, STOA_DEFAULT, nullptr), "wait");
}

void refuse(struct stoa *s, stoa_proxy *hits)
{
	stoa_error e{};
	counter_args much{ INT64_MAX };
	expect(counter_add_call(hits, &much, nullptr, STOA_DEFAULT) == -EOVERFLOW, "no -EOVERFLOW");
	stoa_last_error(&e);
	expect(e.origin == STOA_FROM_METHOD && !e.may_apply, "the error is not the method's");
	stoa_proxy *none = nullptr;
	expect(stoa_open(s, "nothing", nullptr, STOA_NOWAIT, &none) == -ENOENT && !none, "no -ENOENT");
}

void submit(struct stoa *s, stoa_proxy *hits)
{
	counter_value answer{};
	stoa_event event{};
	int r;
	check(counter_reset_submit(hits, nullptr, &answer, &answer, STOA_MS(20000)), "submit");
	pollfd fd{ stoa_fd(s), POLLIN, 0 };
	while ((r = stoa_next(s, &event)) == 0)
		expect(poll(&fd, 1, 20000) == 1, "no event");
	check(r, "next");
	expect(event.what == STOA_ANSWER && event.status == 0 && event.data == &answer, "not the answer");
}

void by_name(struct stoa *s)
{
	const stoa_class *every = nullptr;
	stoa_text text{};
	std::array<double, 6> grid{ 1, 2, 3, 4, 5, 6 }, seen{};
	uint32_t note, at;
	check(stoa_find_class(s, "every", &every), "find_class");
	proxy p = create(s, "every", every, nullptr);
	check(stoa_find_attr(p.get(), "note", STOA_TEXT, &note), "note");
	check(stoa_find_attr(p.get(), "grid", STOA_F64, &at), "grid");
	const stoa_text tea = STOA_TEXT_OF("tea");
	check(stoa_assign(p.get(), note, &tea, sizeof(tea), STOA_DEFAULT), "assign text");
	check(stoa_assign(p.get(), at, grid.data(), sizeof(grid), STOA_DEFAULT), "assign array");
	check(stoa_get(p.get(), note, &text, sizeof(text), STOA_DEFAULT, nullptr), "get text");
	check(stoa_get(p.get(), at, seen.data(), sizeof(seen), STOA_DEFAULT, nullptr), "get array");
	expect(std::string(text.data, text.size) == "tea" && seen == grid, "other values than assigned");
	stoa_text_fini(&text);
}

} // namespace

int main()
{
	try {
		space s = attach();
		counter first{ 42 };
		proxy hits = create(s.get(), "hits", &counter_class, &first);
		count(hits.get());
		refuse(s.get(), hits.get());
		submit(s.get(), hits.get());
		by_name(s.get());
	} catch (const std::exception &e) {
		std::fprintf(stderr, "client.cc: %s\n", e.what());
		return 1;
	}
	return 0;
}
