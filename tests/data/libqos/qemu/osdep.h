/* SPDX-License-Identifier: MIT
 *
 * What a qtest uses of QEMU and of GLib, in words of our own, so that one can be compiled and run where neither is. No QEMU is
 * behind it: each read is answered by the next number of the file ANSWERS names, and each write is counted. */
#ifndef LIBQOS_OSDEP_H
#define LIBQOS_OSDEP_H
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define g_assert(what) do { if (!(what)) { fprintf(stderr, "not so: %s\n", #what); exit(1); } } while (0)
#define g_assert_cmpuint(a, how, b) g_assert((a) how (b))
#define g_getenv getenv
#define g_free free
typedef void (*GTestFunc)(void);
static GTestFunc the_test;
static inline void g_test_init(int *argc, char ***argv, void *end) { (void)argc, (void)argv, (void)end; }
static inline int g_test_run(void) { the_test(); return 0; }
static inline void g_test_skip(const char *why) { puts(why); }
__attribute__((format(printf, 1, 2))) static inline void g_test_message(const char *form, ...) {
    va_list list;
    va_start(list, form);
    vprintf(form, list);
    va_end(list);
    putchar('\n');
}
static inline uint64_t next_answer(void) {
    static FILE *file;
    unsigned long long number = 0;
    if (file == NULL) file = fopen(getenv("ANSWERS"), "r");
    g_assert(file != NULL && fscanf(file, "%llx", &number) == 1);
    return number;
}
#endif
