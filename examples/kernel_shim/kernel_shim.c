/* SPDX-License-Identifier: MIT */
#include "kernel_shim.h"

#include "iommucheck/hooks.h"

enum { PAGE = 4096, CLASSES = 40, HEADER = 64, LINE = 256 };

#define MAGIC_LIVE 0x6c697665u
#define MAGIC_FREE 0x66726565u

/* After the time is up, so many reads in a row are free: more than any loop of a driver counts. A
 * loop that goes on behind them has no end, and waits again at each turn until the checker says so.
 */
#define FREE_READS 200000u
/* So many waits in a row are more than any SMMU that works takes for anything: the time is up. */
#define WAITS 900u
#define TIME_LIMIT_US 1000000u

struct block {
  uint32_t magic;
  uint32_t class;
  struct block* next;
};

static struct {
  const struct iommucheck_platform* p;
  unsigned flags;
  struct block* freed[CLASSES]; /* of ordinary memory, by log2 of its size */
  uint8_t* dma_class; /* by page of the window: log2 of the block that begins there, or 0 */
  uint64_t now_us;
  const void* called_from; /* whom the next function is called for; NULL: its caller */
  struct {
    int reading; /* the last thing done was to read `offset` and to find `value` */
    uint64_t offset, value;
    int up; /* the time of what is being waited for is up */
    uint32_t waits, free_reads;
  } wait;
} shim;

/* ---- where the driver calls ---- */

/* Only `iommucheck cc` has it. */
#pragma weak iommucheck_stands_at

static void stands_at(const void* place) {
  if (iommucheck_stands_at != NULL) iommucheck_stands_at(place);
}

void shim_called_from(const void* place) { shim.called_from = place; }

static const void* caller_or(const void* caller) {
  const void* place = shim.called_from != NULL ? shim.called_from : caller;
  shim.called_from = NULL;
  return place;
}
/* Of the function that it stands in, which is never inlined: it is another file's. */
#define CALLER caller_or(SHIM_CALLER)

/* ---- memory ---- */

static unsigned log2_up(uint64_t bytes) {
  unsigned log2 = 0;
  while (((uint64_t)1 << log2) < bytes) ++log2;
  return log2;
}

static void zero(void* memory, size_t bytes) {
  unsigned char* at = memory;
  for (size_t i = 0; i < bytes; ++i) at[i] = 0;
}

void shim_begin(const struct iommucheck_platform* platform, unsigned flags) {
  zero(&shim, sizeof shim);
  shim.p = platform;
  shim.flags = flags;
  shim.dma_class = platform->arena_alloc(platform->ctx, platform->window_size / PAGE, 64);
}

const struct iommucheck_platform* shim_platform(void) { return shim.p; }

void shim_enter(void) {
  shim.wait.reading = 0;
  shim.wait.up = 0;
  shim.wait.waits = shim.wait.free_reads = 0;
}

void* shim_alloc(size_t bytes) {
  const unsigned class = log2_up(bytes + HEADER);
  struct block* block = shim.freed[class];
  if (block != NULL) {
    shim.freed[class] = block->next;
    zero(block, (size_t)1 << class);
  } else {
    block = shim.p->arena_alloc(shim.p->ctx, (uint64_t)1 << class, 64);
    if (block == NULL) return NULL;
  }
  block->magic = MAGIC_LIVE;
  block->class = class;
  return (char*)block + HEADER;
}

void shim_free(void* memory) {
  if (memory == NULL) return;
  struct block* block = (struct block*)((char*)memory - HEADER);
  if (block->magic != MAGIC_LIVE) {
    shim_panic("free of %p, %s", memory,
               block->magic == MAGIC_FREE ? "which is free" : "which was not allocated");
  }
  block->magic = MAGIC_FREE;
  block->next = shim.freed[block->class];
  shim.freed[block->class] = block;
}

typedef const void* (*allocator)(void* ctx, uint64_t bytes, uint64_t* pa);

static void* dma_alloc(allocator alloc, size_t bytes, size_t align, int zeroed, uint64_t* pa,
                       const void* caller) {
  if (align < PAGE) align = PAGE;
  const unsigned class = log2_up(bytes > align ? bytes : align);
  uint64_t at = 0;
  const void* memory;
  unsigned tries = (shim.flags & SHIM_ALLOCATIONS_SLEEP) != 0 ? 1000 : 1;
  if (shim.dma_class == NULL) return NULL;
  do {
    memory = alloc(shim.p->ctx, (uint64_t)1 << class, &at);
  } while (memory == NULL && --tries != 0);
  if (memory == NULL) return NULL;
  shim.dma_class[(at - shim.p->window_pa) / PAGE] = (uint8_t)class;
  stands_at(caller);
  if (zeroed) shim.p->fill64(shim.p->ctx, at, ((uint64_t)1 << class) / 8, 0);
  stands_at(NULL);
  if (pa != NULL) *pa = at;
  return (void*)(uintptr_t)memory;
}

void* shim_dma_alloc(size_t bytes, size_t align, int zeroed, uint64_t* pa) {
  return dma_alloc(shim.p->table_alloc, bytes, align, zeroed, pa, CALLER);
}

void* shim_dma_alloc_uncached(size_t bytes, size_t align, int zeroed, uint64_t* pa) {
  if (!IOMMUCHECK_HAS(struct iommucheck_platform, shim.p, table_alloc_uncached) ||
      !shim.p->table_alloc_uncached)
    shim_panic("this checker knows no memory that is not cached");
  return dma_alloc(shim.p->table_alloc_uncached, bytes, align, zeroed, pa, CALLER);
}

void shim_dma_free(void* memory) {
  if (memory == NULL) return;
  const uint64_t pa = shim_pa(memory);
  uint8_t* class = &shim.dma_class[(pa - shim.p->window_pa) / PAGE];
  if (*class == 0 || pa % PAGE != 0)
    shim_panic("free of DMA memory at 0x%llx, which was not allocated", (unsigned long long)pa);
  const uint64_t bytes = (uint64_t)1 << *class;
  *class = 0;
  shim.p->table_free(shim.p->ctx, pa, bytes);
}

uint64_t shim_pa(const volatile void* address) {
  const uint64_t place = (uintptr_t)address - (uintptr_t)shim.p->window;
  if (place >= shim.p->window_size)
    shim_panic("%p is no address of DMA memory", (const void*)(uintptr_t)address);
  return shim.p->window_pa + place;
}

void* shim_va(uint64_t pa) {
  if (pa - shim.p->window_pa >= shim.p->window_size) {
    shim_panic("0x%llx is no physical address of DMA memory", (unsigned long long)pa);
  }
  return (char*)(uintptr_t)shim.p->window + (pa - shim.p->window_pa);
}

/* ---- registers, waiting ---- */

static uint64_t token_of(uint64_t offset) {
  switch (offset) {
    case 0x98: /* CMDQ_PROD */
    case 0x9c: /* CMDQ_CONS */ return IOMMUCHECK_WAIT_CMDQ;
    default: return IOMMUCHECK_WAIT_REGISTER;
  }
}

static void give_way(uint64_t token, uint64_t us) {
  if (shim.wait.up && shim.wait.free_reads < FREE_READS) {
    ++shim.wait.free_reads;
    return;
  }
  ++shim.now_us;
  if (shim.p->wait(shim.p->ctx, token, us) == 0 && ++shim.wait.waits < WAITS) return;
  if (!shim.wait.up) shim.now_us += 1000 * (uint64_t)TIME_LIMIT_US;
  shim.wait.up = 1;
}

/* Whether the last read says all that this one would. */
static int again(uint64_t offset) {
  if (!shim.wait.reading || shim.wait.offset != offset) {
    shim_enter();
    return 0;
  }
  give_way(token_of(offset), TIME_LIMIT_US);
  return shim.wait.up;
}

static uint64_t was_read(uint64_t offset, uint64_t value) {
  shim.wait.reading = 1;
  shim.wait.offset = offset;
  shim.wait.value = value;
  return value;
}

uint32_t shim_read32(uint64_t offset) {
  const void* caller = CALLER;
  if (again(offset)) return (uint32_t)shim.wait.value;
  stands_at(caller);
  const uint32_t value = shim.p->mmio_read32(shim.p->ctx, offset);
  stands_at(NULL);
  return (uint32_t)was_read(offset, value);
}

uint64_t shim_read64(uint64_t offset) {
  const void* caller = CALLER;
  if (again(offset)) return shim.wait.value;
  stands_at(caller);
  const uint64_t value = shim.p->mmio_read64(shim.p->ctx, offset);
  stands_at(NULL);
  return was_read(offset, value);
}

static uint32_t order_of(int ordered) {
  return ordered ? IOMMUCHECK_MMIO_ORDERED : IOMMUCHECK_MMIO_RELAXED;
}

void shim_write32(uint64_t offset, uint32_t value, int ordered) {
  const void* caller = CALLER;
  shim_enter();
  stands_at(caller);
  shim.p->mmio_write32(shim.p->ctx, offset, value, order_of(ordered));
  stands_at(NULL);
}

void shim_write64(uint64_t offset, uint64_t value, int ordered) {
  const void* caller = CALLER;
  shim_enter();
  stands_at(caller);
  shim.p->mmio_write64(shim.p->ctx, offset, value, order_of(ordered));
  stands_at(NULL);
}

void shim_spin(void) {
  shim.wait.reading = 0;
  give_way(IOMMUCHECK_WAIT_MSI, TIME_LIMIT_US);
}

void shim_delay(uint64_t us) {
  shim.wait.reading = 0;
  give_way(IOMMUCHECK_WAIT_TIME, us);
  shim.now_us += us;
}

uint64_t shim_now_us(void) { return shim.now_us; }

/* ---- barriers ---- */

void shim_barrier(uint32_t kind) {
  stands_at(CALLER);
  shim.p->barrier(shim.p->ctx, kind);
  stands_at(NULL);
}

void shim_clean(const volatile void* address, size_t bytes) {
  shim.p->dma_clean(shim.p->ctx, shim_pa(address), bytes);
}

/* ---- devices ---- */

void shim_ats_enable(const struct iommucheck_config* config, uint32_t device, int on) {
  if (!IOMMUCHECK_HAS(struct iommucheck_platform, shim.p, ats_enable) || !shim.p->ats_enable)
    return;
  if (device >= config->device_count) shim_panic("ATS of device %u, which is not there", device);
  if (!(config->devices[device]->flags & IOMMUCHECK_DEVICE_ATS)) return;
  shim.p->ats_enable(shim.p->ctx, device, on != 0);
}

/* ---- locks ---- */

void shim_lock(struct shim_lock* lock) {
  if (lock->held)
    shim_panic("lock %s is taken twice", lock->name != NULL ? lock->name : "without a name");
  lock->held = 1;
}

void shim_unlock(struct shim_lock* lock) {
  if (!lock->held)
    shim_panic("lock %s is given back and was not held",
               lock->name != NULL ? lock->name : "without a name");
  lock->held = 0;
}

/* ---- messages: the shim has no C library ---- */

struct line {
  char text[LINE];
  size_t used;
};

static void put(struct line* line, char c) {
  if (line->used + 1 < sizeof line->text) line->text[line->used++] = c;
}

struct conversion {
  int left, zeros, alternate, is_long;
  unsigned width;
};

static void put_field(struct line* line, const struct conversion* how, const char* text,
                      size_t length) {
  const char pad = how->zeros && !how->left ? '0' : ' ';
  size_t padding = how->width > length ? how->width - length : 0;
  if (!how->left) {
    for (; padding != 0; --padding) put(line, pad);
  }
  for (size_t i = 0; i < length; ++i) put(line, text[i]);
  for (; padding != 0; --padding) put(line, ' ');
}

static void put_number(struct line* line, const struct conversion* how, uint64_t value,
                       unsigned base, int upper, int negative) {
  char digits[24];
  size_t length = 0;
  do {
    const unsigned digit = (unsigned)(value % base);
    digits[length++] = (char)(digit < 10 ? '0' + digit : (upper ? 'A' : 'a') + digit - 10);
    value /= base;
  } while (value != 0);
  if (how->alternate && base == 16) {
    digits[length++] = 'x';
    digits[length++] = '0';
  }
  if (negative) digits[length++] = '-';
  for (size_t i = 0; i < length / 2; ++i) {
    const char c = digits[i];
    digits[i] = digits[length - 1 - i];
    digits[length - 1 - i] = c;
  }
  put_field(line, how, digits, length);
}

static const char* read_flags(const char* at, struct conversion* how) {
  zero(how, sizeof *how);
  for (;; ++at) {
    if (*at == '-')
      how->left = 1;
    else if (*at == '0')
      how->zeros = 1;
    else if (*at == '#')
      how->alternate = 1;
    else if (*at != '+' && *at != ' ')
      break;
  }
  for (; *at >= '0' && *at <= '9'; ++at) how->width = 10 * how->width + (unsigned)(*at - '0');
  if (*at == '.') {
    for (++at; *at >= '0' && *at <= '9'; ++at) continue;
  }
  for (; *at == 'l' || *at == 'j' || *at == 'z' || *at == 'h'; ++at) {
    if (*at != 'h') how->is_long = 1;
  }
  return at;
}

void shim_vlog(int level, const char* format, va_list arguments) {
  struct line line;
  line.used = 0;
  for (const char* at = format; *at != 0; ++at) {
    struct conversion how;
    if (*at == '\n') continue;
    if (*at != '%') {
      put(&line, *at);
      continue;
    }
    at = read_flags(at + 1, &how);
    switch (*at) {
      case 'd':
      case 'i': {
        const int64_t value = how.is_long ? va_arg(arguments, int64_t) : va_arg(arguments, int);
        put_number(&line, &how, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, 0,
                   value < 0);
        break;
      }
      case 'u':
      case 'x':
      case 'X': {
        const uint64_t value =
            how.is_long ? va_arg(arguments, uint64_t) : va_arg(arguments, unsigned);
        put_number(&line, &how, value, *at == 'u' ? 10 : 16, *at == 'X', 0);
        break;
      }
      case 'p':
        how.alternate = 1;
        put_number(&line, &how, (uintptr_t)va_arg(arguments, void*), 16, 0, 0);
        break;
      case 's': {
        const char* text = va_arg(arguments, const char*);
        size_t length = 0;
        if (text == NULL) text = "(null)";
        while (text[length] != 0) ++length;
        put_field(&line, &how, text, length);
        break;
      }
      case 'c': put(&line, (char)va_arg(arguments, int)); break;
      case '%': put(&line, '%'); break;
      default: /* what is not known ends it: the arguments behind cannot be found */
        put(&line, '%');
        put(&line, '?');
        goto end;
    }
  }
end:
  line.text[line.used] = 0;
  shim.p->log(shim.p->ctx, level, line.text);
}

void shim_log(int level, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  shim_vlog(level, format, arguments);
  va_end(arguments);
}

_Noreturn void shim_panic(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  shim_vlog(IOMMUCHECK_LOG_ERROR, format, arguments);
  va_end(arguments);
  __builtin_trap();
}
