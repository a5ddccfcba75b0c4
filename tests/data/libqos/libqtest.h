/* SPDX-License-Identifier: MIT */
#ifndef LIBQOS_LIBQTEST_H
#define LIBQOS_LIBQTEST_H
#include "qemu/osdep.h"
typedef struct QTestState { int writes; } QTestState;
static inline bool qtest_has_machine(const char *name) { return strcmp(name, "virt") == 0; }
static inline QTestState *qtest_init(const char *arguments) {
    g_assert(strstr(arguments, "iommu=smmuv3") != NULL);
    return calloc(1, sizeof(QTestState));
}
static inline void qtest_quit(QTestState *s) { printf("%d writes\n", s->writes); free(s); }
static inline void qtest_add_func(const char *name, GTestFunc test) { (void)name; the_test = test; }
static inline uint32_t qtest_readl(QTestState *s, uint64_t at) { (void)s, (void)at; return (uint32_t)next_answer(); }
static inline uint64_t qtest_readq(QTestState *s, uint64_t at) { (void)s, (void)at; return next_answer(); }
static inline void qtest_writel(QTestState *s, uint64_t at, uint32_t value) { (void)at, (void)value; s->writes++; }
static inline void qtest_writeq(QTestState *s, uint64_t at, uint64_t value) { (void)at, (void)value; s->writes++; }
static inline void qtest_memset(QTestState *s, uint64_t at, uint8_t with, size_t bytes) {
    (void)at, (void)with, (void)bytes;
    s->writes++;
}
static inline int64_t qtest_clock_step(QTestState *s, int64_t step) { (void)s; return step; }
#endif
