/* SPDX-License-Identifier: MIT
 *
 * A test that owns its loop, in C99. It has a driver of a page, a device model of another page, and
 * memory; it calls whom it likes, and tells the monitor what happens. The monitor says whether it
 * was allowed. Read iommucheck/monitor.h first.
 *
 *     monitor_in_c [TRACE] [COVERAGE]             all holds: exit status 0
 *     monitor_in_c_forgetful [TRACE] [COVERAGE]   unmap forgets its TLBI: exit status 1, and why
 *
 * Note what the forgetful one shows: the device model below keeps no translation at all, so that
 * the test by itself would pass. The monitor finds the mistake since other hardware may keep one.
 */
#include <stdio.h>
#include <string.h>

#include "iommucheck/monitor_report.h"

typedef uint64_t u64;

/* ---- the world: memory, registers, and what is reported of them ------------------------------ */

enum { PAGE = 4096, PAGES = 16, RING_LG2 = 8, STREAM = 1 };
#define MEMORY 0x80000000ull
#define BUFFER 0x90000000ull /* what is mapped: no memory of ours */

static u64 memory[PAGES * PAGE / 8];
static u64 pages_given;
static struct iommucheck_monitor* monitor;
static int refused; /* reports that the monitor did not take: a mistake in this file */

static void check(int answer) {
  if (answer >= 0) return;
  ++refused;
  fprintf(stderr, "not taken: %s\n", iommucheck_monitor_last_error(monitor));
}

static u64* word_at(u64 pa) { return &memory[(pa - MEMORY) / 8]; }

static void put(u64 pa, u64 value) {
  *word_at(pa) = value;
  check(iommucheck_report_store(monitor, IOMMUCHECK_CPU(0), IOMMUCHECK_STORE_VALUE, pa, 8, value, 0,
                                0, 0, 0));
}

static void barrier(void) {
  check(iommucheck_report_barrier(monitor, IOMMUCHECK_CPU(0), 0, IOMMUCHECK_BARRIER_FULL, 0));
}

/* A page of table memory, its zeros visible to the SMMU. */
static u64 new_page(void) {
  const u64 pa = MEMORY + PAGE * pages_given++;
  check(iommucheck_report_alloc(monitor, IOMMUCHECK_CPU(0), IOMMUCHECK_ALLOC_CACHEABLE, pa, PAGE, 1,
                                0));
  memset(word_at(pa), 0, PAGE);
  check(iommucheck_report_fill(monitor, IOMMUCHECK_CPU(0), 0, pa, PAGE / 8, 0, 0));
  barrier();
  return pa;
}

/* The same event by a struct: for those who keep structs, and for languages with named members. */
static void write_register(u64 offset, u64 size, u64 value) {
  struct iommucheck_event_mmio_write event;
  memset(&event, 0, sizeof event);
  event.head.size = sizeof event;
  event.head.abi = IOMMUCHECK_MONITOR_ABI;
  event.head.kind = IOMMUCHECK_EVENT_MMIO_WRITE;
  event.head.agent = IOMMUCHECK_CPU(0);
  event.head.known = IOMMUCHECK_MMIO_WRITE_ORDERED; /* the program counter is not known */
  event.offset = offset;
  event.size = size;
  event.value = value;
  event.ordered = 1;
  check(iommucheck_monitor_report(monitor, &event.head));
}

static void read_register(u64 offset, u64 answer) {
  check(iommucheck_report_mmio_read(monitor, IOMMUCHECK_CPU(0), 0, offset, 4, answer, 0, 0, 0));
}

/* ---- the device under test: it translates, and caches nothing -------------------------------- */

static u64 streams, ring, prod;

/* Consumes all that is in the queue. */
static void device_runs(u64 up_to) {
  static u64 cons;
  for (; cons != up_to; cons = (cons + 1) & ((2u << RING_LG2) - 1)) {
    const u64 slot = cons & ((1u << RING_LG2) - 1);
    check(iommucheck_report_command_consumed(
        monitor, IOMMUCHECK_SMMU(0), IOMMUCHECK_COMMAND_CONSUMED_COMMAND, slot,
        *word_at(ring + 16 * slot), *word_at(ring + 16 * slot + 8)));
  }
}

static void device_reads(u64 iova) {
  const u64 known = IOMMUCHECK_DMA_SSID | IOMMUCHECK_DMA_DIRECTION | IOMMUCHECK_DMA_PRIVILEGED |
                    IOMMUCHECK_DMA_LENGTH;
  const u64 mask = 0xfffffffff000ull;
  const u64 cd = *word_at(streams + 64 * STREAM) & mask;
  u64 entry = *word_at(cd + 8);
  int shift;
  for (shift = 30; shift >= 12; shift -= 9) {
    entry = *word_at((entry & mask) + 8 * (iova >> shift & 511));
    if (!(entry & 1)) break;
  }
  if (entry & 1) {
    check(iommucheck_report_dma(monitor, IOMMUCHECK_DEVICE(0), known | IOMMUCHECK_DMA_PA, STREAM,
                                IOMMUCHECK_NO_SUBSTREAM, iova, IOMMUCHECK_DIRECTION_READ, 0, 64, 0,
                                IOMMUCHECK_DMA_RESULT_OK, (entry & mask) + iova % PAGE, 0, 0, 0, 0,
                                0));
  } else {
    check(iommucheck_report_dma(monitor, IOMMUCHECK_DEVICE(0), known, STREAM,
                                IOMMUCHECK_NO_SUBSTREAM, iova, IOMMUCHECK_DIRECTION_READ, 0, 64, 0,
                                IOMMUCHECK_DMA_RESULT_ABORT, 0, 0, 0, 0, 0, 0));
  }
}

/* ---- the driver under test ------------------------------------------------------------------- */

enum { CR0 = 0x20, CR0ACK = 0x24, CR1 = 0x28, CR2 = 0x2c, STRTAB_BASE = 0x80 };
enum { STRTAB_BASE_CFG = 0x88, CMDQ_BASE = 0x90, CMDQ_PROD = 0x98, CMDQ_CONS = 0x9c };

static void command(u64 word0, u64 word1) {
  const u64 slot = ring + 16 * (prod & ((1u << RING_LG2) - 1));
  put(slot, word0);
  put(slot + 8, word1);
  prod = (prod + 1) & ((2u << RING_LG2) - 1);
  write_register(CMDQ_PROD, 4, prod);
  device_runs(prod);
  read_register(CMDQ_CONS, prod);
}

static void boot(void) {
  u64 i;
  streams = new_page();
  ring = new_page();
  for (i = 0; i < 8; ++i) {
    put(streams + 64 * i + 8, 0xd4); /* CDs are fetched write-back, shareable */
    put(streams + 64 * i, 1);        /* valid, terminated */
  }
  write_register(CR0, 4, 0);
  read_register(CR0ACK, 0);
  write_register(CR1, 4, 0xd75);
  write_register(CR2, 4, 6);
  write_register(STRTAB_BASE, 8, streams);
  write_register(STRTAB_BASE_CFG, 4, 3);
  write_register(CMDQ_BASE, 8, ring | RING_LG2);
  write_register(CMDQ_PROD, 4, 0);
  write_register(CMDQ_CONS, 4, 0);
  write_register(CR0, 4, 8);
  read_register(CR0ACK, 8);
  command(0x04, 31); /* CFGI_ALL */
  command(0x46, 0);  /* CMD_SYNC */
  command(0x30, 0);  /* TLBI_NSNH_ALL */
  command(0x46, 0);
  write_register(CR0, 4, 9);
  read_register(CR0ACK, 9);
}

static u64 root, leaf_table;

static void alloc_domain(void) {
  const u64 cd = new_page();
  root = new_page();
  put(cd + 24, 0x04ff);        /* MAIR */
  put(cd + 8, root);           /* TTB0 */
  put(cd, 0x1e204c0003519ull); /* 39 bits, 4 KiB, ASID 1, valid */
  barrier();
  put(streams + 64 * STREAM, 0xb | cd); /* stage 1, the CD above */
  barrier();
  command(0x03 | (u64)STREAM << 32, 1); /* CFGI_STE */
  command(0x46, 0);
}

static void map_page(u64 iova, u64 pa) {
  const u64 middle = new_page();
  leaf_table = new_page();
  put(middle + 8 * (iova >> 21 & 511), leaf_table | 3);
  put(root + 8 * (iova >> 30 & 511), middle | 3);
  put(leaf_table + 8 * (iova >> 12 & 511), 0x60000000000f43ull | pa);
  barrier();
}

static void unmap_page(u64 iova) {
  put(leaf_table + 8 * (iova >> 12 & 511), 0);
#ifndef FORGET_THE_INVALIDATION
  command(0x12 | 1ull << 48, iova | 1); /* TLBI_NH_VA, ASID 1, leaf */
  command(0x46, 0);
#else
  barrier();
#endif
}

/* ---- the test -------------------------------------------------------------------------------- */

/* What the driver promises begins with "ready"; calls and their results say what it promised. */
static void run(void) {
  const uint32_t cpu = IOMMUCHECK_CPU(0);
  const u64 iova = 0x40201000;
  check(iommucheck_report_driver_phase(monitor, cpu, 0, IOMMUCHECK_DRIVER_LIFE_STARTING));
  boot();
  check(iommucheck_report_driver_phase(monitor, cpu, 0, IOMMUCHECK_DRIVER_LIFE_READY));

  check(iommucheck_report_call_domain_alloc(monitor, cpu, 0, 1, IOMMUCHECK_DOMAIN_PAGING, 0, 0, 0,
                                            0));
  {
    const u64 info[3] = {39, 44, PAGE}; /* input bits, output bits, page sizes */
    check(iommucheck_report_return(monitor, cpu, IOMMUCHECK_RETURN_VALUE | IOMMUCHECK_RETURN_WORDS,
                                   1, IOMMUCHECK_OK, 1, info, 3, 0));
  }
  check(iommucheck_report_call_attach(monitor, cpu, 0, 2, 1, 0));
  alloc_domain();
  check(iommucheck_report_return(monitor, cpu, 0, 2, IOMMUCHECK_OK, 0, NULL, 0, 0));

  check(iommucheck_report_call_map(monitor, cpu, 0, 3, 1, iova, BUFFER, PAGE,
                                   IOMMUCHECK_RIGHT_READ | IOMMUCHECK_RIGHT_WRITE, 0, 0));
  map_page(iova, BUFFER);
  check(iommucheck_report_return(monitor, cpu, 0, 3, IOMMUCHECK_OK, 0, NULL, 0, 0));
  device_reads(iova + 8);

  check(iommucheck_report_call_unmap(monitor, cpu, 0, 4, 1, iova, PAGE));
  unmap_page(iova);
  check(iommucheck_report_return(monitor, cpu, IOMMUCHECK_RETURN_VALUE, 4, IOMMUCHECK_OK, PAGE,
                                 NULL, 0, 0));
  device_reads(iova + 8);
}

static const char profile[] =
    "{\"iommucheck-trace\":1,\"versions\":{\"monitor_in_c\":\"1\"},"
    "\"id_registers\":{\"IDR0\":\"0x940101a\",\"IDR1\":\"0x1070010\",\"IDR2\":\"0x0\","
    "\"IDR3\":\"0x404\",\"IDR4\":\"0x0\",\"IDR5\":\"0x14\",\"AIDR\":\"0x3\"},"
    "\"devices\":[{\"device\":\"0x0\",\"name\":\"disk\",\"sids\":[\"0x1\"]}]}";

int main(int argc, char** argv) {
  struct iommucheck_summary numbers;
  int verdict, i;
  monitor = iommucheck_monitor_open(profile);
  if (!monitor) {
    fprintf(stderr, "%s\n", iommucheck_monitor_last_error(NULL));
    return 2;
  }
  run();
  verdict = iommucheck_monitor_finish(monitor);
  for (i = 0; i < iommucheck_monitor_findings(monitor); ++i) {
    struct iommucheck_finding finding;
    uint32_t line;
    finding.size = sizeof finding;
    finding.abi = IOMMUCHECK_MONITOR_ABI;
    check(iommucheck_monitor_finding(monitor, (uint32_t)i, &finding));
    printf("%s, at fault: %s\n  %s\n  rule: %s [%s]\n", finding.rule, finding.party, finding.text,
           finding.rule_text, finding.section);
    for (line = 0; line < finding.evidence; ++line) {
      printf("  %s\n", iommucheck_monitor_evidence(monitor, (uint32_t)i, line));
    }
  }
  if (argc > 1) check(iommucheck_monitor_save(monitor, argv[1]));
  if (argc > 2) check(iommucheck_monitor_add_coverage(monitor, argv[2]));
  numbers.size = sizeof numbers;
  numbers.abi = IOMMUCHECK_MONITOR_ABI;
  check(iommucheck_monitor_summary(monitor, &numbers));
  printf("%d events, %d undetermined, verdict: %s\n", (int)numbers.judged,
         (int)numbers.undetermined,
         verdict == IOMMUCHECK_VERDICT_OK          ? "ok"
         : verdict == IOMMUCHECK_VERDICT_VIOLATION ? "violation"
                                                   : "undetermined");
  iommucheck_monitor_close(monitor);
  if (refused) return 2;
  return verdict == IOMMUCHECK_VERDICT_OK ? 0 : 1;
}
