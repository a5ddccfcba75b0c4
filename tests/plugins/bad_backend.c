/* SPDX-License-Identifier: MIT
 * The example of a backend with one thing wrong at the door itself, by BAD_*: what is refused where
 * it is loaded, or answered that cannot be. */
#define iommucheck_backend_entry the_right_entry
#include "tests/backends/small_backend.c"
#undef iommucheck_backend_entry

static struct iommucheck_backend_ops ops;
static struct iommucheck_hardware_ops hardware;
static struct iommucheck_backend bad;

/* One of each, whichever the variant uses. */
uint64_t bad_unmap(void* self, void* space, uint64_t iova, uint64_t bytes, uint32_t* tables);
uint64_t bad_unmap(void* self, void* space, uint64_t iova, uint64_t bytes, uint32_t* tables) {
#ifdef BAD_hang
  for (volatile int i = 0;; i = 1) (void)i;
#endif
#ifdef BAD_crash
  *(volatile int*)8 = 1;
#endif
  return small_unmap(self, space, iova, bytes, tables) + 2 * bytes;
}
int32_t bad_map(void* self, void* space, uint64_t iova, uint64_t pa, uint64_t bytes, uint32_t prot,
                uint64_t* done);
int32_t bad_map(void* self, void* space, uint64_t iova, uint64_t pa, uint64_t bytes, uint32_t prot,
                uint64_t* done) {
  const int32_t answer = small_map(self, space, iova, pa, bytes, prot, done);
#ifdef BAD_map
  *done += bytes;
  return answer;
#endif
  *done = 0;
  (void)answer;
  return -77;
}
int32_t bad_number(void* self);
int32_t bad_number(void* self) {
  (void)self;
  return 77;
}
uint32_t bad_answers(void* self, const struct iommucheck_access* access,
                     struct iommucheck_may_get* answers);
uint32_t bad_answers(void* self, const struct iommucheck_access* access,
                     struct iommucheck_may_get* answers) {
  const uint32_t count = small_hardware.answers(self, access, answers);
#ifdef BAD_kind
  answers[0].kind = 99;
  return count;
#endif
#ifdef BAD_too_many
  return count + 1000;
#endif
#ifdef BAD_none
  return 0;
#endif
#ifdef BAD_why
  answers[0].why = (const char*)8;
#endif
  return count;
}
void* bad_open(const struct iommucheck_platform* platform, const struct iommucheck_config* config,
               struct iommucheck_backend_info* info);
void* bad_open(const struct iommucheck_platform* platform, const struct iommucheck_config* config,
               struct iommucheck_backend_info* info) {
  void* self = small_open(platform, config, info);
#ifdef BAD_open
  return NULL;
#endif
  info->page_sizes = 3;
  return self;
}

void* bad_space(void* self, uint32_t input_bits, uint32_t foreign, struct iommucheck_space* space);
void* bad_space(void* self, uint32_t input_bits, uint32_t foreign, struct iommucheck_space* space) {
  void* its = small_open_space(self, input_bits, foreign, space);
  if (foreign) space->table_pa = 0;
  return its;
}

#ifdef BAD_entry
#define iommucheck_backend_entry some_other_name
#endif
const struct iommucheck_backend* iommucheck_backend_entry(void);
const struct iommucheck_backend* iommucheck_backend_entry(void) {
  ops = small_ops;
  hardware = small_hardware;
  bad = small;
  bad.backend = &ops;
  bad.hardware = &hardware;
#if defined(BAD_null)
  return NULL;
#elif defined(BAD_abi)
  bad.abi = 7;
#elif defined(BAD_size)
  ops.size = 64;
#elif defined(BAD_flags)
  bad.flags |= 1u << 31;
#elif defined(BAD_name)
  bad.name = NULL;
#elif defined(BAD_no_hardware)
  bad.hardware = NULL;
#elif defined(BAD_function)
  hardware.given_back = NULL;
#elif defined(BAD_waits)
  ops.size = IOMMUCHECK_BACKEND_OPS_SIZE_VER0;
#elif defined(BAD_users)
  bad.flags |= IOMMUCHECK_BACKEND_USERS;
#elif defined(BAD_marks)
  bad.flags |= IOMMUCHECK_BACKEND_TRACKS_WRITES;
#elif defined(BAD_tells_alone)
  bad.flags |= IOMMUCHECK_BACKEND_TELLS_USERS;
#elif defined(BAD_crash_on_load)
  *(volatile int*)8 = 1;
#elif defined(BAD_flush)
  ops.flush = bad_number;
#elif defined(BAD_begin_reset)
  ops.begin_reset = bad_number;
#elif defined(BAD_map) || defined(BAD_map_number)
  ops.map = bad_map;
#elif defined(BAD_kind) || defined(BAD_too_many) || defined(BAD_none) || defined(BAD_why)
  hardware.answers = bad_answers;
#elif defined(BAD_foreign)
  ops.open_space = bad_space;
#elif defined(BAD_open) || defined(BAD_info)
  ops.open = bad_open;
#else
  ops.unmap = bad_unmap;
#endif
  return &bad;
}
