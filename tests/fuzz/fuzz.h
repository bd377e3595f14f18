/*
 * fuzz.h: what the fuzz targets share: their bytes taken apart, and checks whose failure ends the process.
 *
 * A target is LLVMFuzzerTestOneInput in a file fuzz_<what>.c. tests/check_fuzz.sh links it with libFuzzer; every build
 * links it with replay.c, which runs the corpus and mutations of it.
 */
#ifndef STOA_FUZZ_H
#define STOA_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes that are left. What is taken beyond them is zero. */
struct input {
	const uint8_t *at;
	size_t left;
};

uint8_t input_u8(struct input *in);
uint16_t input_u16(struct input *in);
uint32_t input_u32(struct input *in);
uint64_t input_u64(struct input *in);
void input_bytes(struct input *in, void *to, size_t n);

/* A copy in memory of exactly its size, for the sanitizers; free it. */
void *input_rest(struct input *in, size_t *ret_n);

#define fuzz_check(condition, ...) ((condition) ? (void)0 : fuzz_fail(__VA_ARGS__))
void fuzz_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Run once, the last one first, when all inputs are done: what a target has made goes. */
void fuzz_at_end(void (*end)(void));
void fuzz_end(void);

#endif
