/* SPDX-License-Identifier: MIT
 *
 * The kernel's own KUnit suites, and its older self-tests, run by their own code; a file of the
 * tree's kbuild. Of each STE or CD that a test writes it says what stood there, what shall, each
 * store as it comes, and each sync, for `iommucheck ask --hitless`. */
#include <kunit/device.h>
#include <kunit/test.h>

#include "arm-smmu-v3.h"
#include "glue.h"

#define IS(name, function) asm(".globl " #name "\n.set " #name ", " #function);
#define OURS(name) IS(name, our_##name)

int printf(const char* format, ...);
/* kunit_main.c: stores to these bytes go to iommucheck_stored. */
void iommucheck_watch(const void* at, u64 bytes);
void iommucheck_stored(u64 offset, u32 bytes, u64 value);
void* calloc(size_t n, size_t bytes);
extern struct kunit_suite* const __start_kunit_test_suites[] __attribute__((weak));
extern struct kunit_suite* const __stop_kunit_test_suites[] __attribute__((weak));

/* ---- what a test says ---- */

static int failed;
static void* way_out[5];

void our___kunit_do_failed_assertion(struct kunit* test, const struct kunit_loc* at) {
  failed = 1;
  printf("# an expectation of the test fails at %s:%d\n", at->file, at->line);
}
void our___kunit_abort(struct kunit* test) { __builtin_longjmp(way_out, 1); }
void* our_kunit_kmalloc_array(struct kunit* test, size_t n, size_t bytes, gfp_t flags) {
  return calloc(n, bytes);
}
struct device* our_kunit_device_register(struct kunit* test, const char* name) {
  struct device* device = calloc(1, sizeof *device);
  device->init_name = name;
  return device;
}

/* ---- entries, word by word ---- */

enum { WORDS = 8 };
static const __le64* entry; /* that is being written */
static int steps, invalid;

static void print_words(const __le64* words) {
  int i;
  for (i = 0; i < WORDS; ++i) printf("%s0x%llx", i == 0 ? " " : ",", le64_to_cpu(words[i]));
}
static void begin_step(void) { printf("%s", steps++ == 0 ? " " : ","); }
void iommucheck_stored(u64 offset, u32 bytes, u64 value) {
  begin_step();
  printf("%u=0x%llx", (unsigned)(offset / 8), value);
  if (bytes != 8 || offset % 8 != 0) printf("!"); /* no order that --hitless can read */
}

static const struct arm_smmu_entry_writer_ops* theirs;
static void told_sync(struct arm_smmu_entry_writer* writer) {
  begin_step();
  printf("sync");
  if (entry[0] == 0) invalid = 1; /* the driver's own word for "not hitless" */
  theirs->sync(writer);
}

void arm_smmu_write_entry(struct arm_smmu_entry_writer* writer, __le64* at, const __le64* target);
/* The test's calls of arm_smmu_write_entry come here. */
void iommucheck_write_entry(struct arm_smmu_entry_writer* writer, __le64* at, const __le64* target);
void iommucheck_write_entry(struct arm_smmu_entry_writer* writer, __le64* at,
                            const __le64* target) {
  struct arm_smmu_entry_writer_ops told = *writer->ops;
  theirs = writer->ops;
  told.sync = told_sync;
  printf("transition %s", (void*)theirs->get_used == (void*)arm_smmu_get_cd_used ? "cd" : "ste");
  print_words(at);
  print_words(target);
  steps = invalid = 0;
  writer->ops = &told;
  entry = at;
  iommucheck_watch(at, WORDS * sizeof *at);
  arm_smmu_write_entry(writer, at, target);
  iommucheck_watch(NULL, 0);
  writer->ops = theirs;
  printf(" %s\n", invalid ? "invalid" : "hitless");
}

/* What a test logs is printed already. */
void our_kunit_log_append(void) {}

/* ---- all of them ---- */

int iommucheck_kunit(void);
int iommucheck_kunit(void) {
  struct kunit_suite* const* suite;
  int error, all = 0;
  /* Self-tests of 6.1 to 6.17 are an initcall. */
  printf("suite initcalls\n");
  error = iommucheck_initcalls();
  printf("case are_called %s\n", error == 0 ? "passed" : "failed");
  all |= error;
  for (suite = __start_kunit_test_suites; suite < __stop_kunit_test_suites; ++suite) {
    struct kunit_case* one;
    printf("suite %s\n", (*suite)->name);
    if ((*suite)->suite_init != NULL) all |= (*suite)->suite_init(*suite);
    for (one = (*suite)->test_cases; one->run_case != NULL; ++one) {
      struct kunit* test = calloc(1, sizeof *test);
      test->name = one->name;
      failed = 0;
      if (__builtin_setjmp(way_out) == 0 && ((*suite)->init == NULL || (*suite)->init(test) == 0)) {
        one->run_case(test);
      }
      printf("case %s %s\n", one->name, failed ? "failed" : "passed");
      all |= failed;
    }
  }
  return all != 0;
}

OURS(__kunit_do_failed_assertion)
OURS(__kunit_abort)
OURS(kunit_kmalloc_array)
IS(kunit_kmalloc_array_noprof, our_kunit_kmalloc_array)
OURS(kunit_log_append)
OURS(kunit_device_register)
