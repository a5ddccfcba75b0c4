/* SPDX-License-Identifier: MIT
 * The words of a small IOMMU that exists nowhere else: what stands in memory, and its registers.
 * One word leads each device, one each PASID; page tables have four levels of 512 words and leaves
 * of 4 KiB; commands are registers, and a counter says how many are complete.
 */
#ifndef SMALL_BACKEND_H
#define SMALL_BACKEND_H

#include <stdint.h>

#define SMALL_PAGE 4096u
#define SMALL_WORDS 512u
#define SMALL_LEVELS 4u
#define SMALL_ADDRESS 0x000ffffffffff000ull

/* Of the device table, at 8 * stream ID: bits 1:0 how, bits 3:2 how without a PASID beside a table,
 * bits 9:4 PASID bits, 51:12 the PASID table. */
enum { SMALL_BLOCKED = 0, SMALL_UNTRANSLATED = 1, SMALL_TABLE = 2 };
#define SMALL_HOW(word) ((uint32_t)(word) & 3u)
#define SMALL_FIRST(word) ((uint32_t)((word) >> 2) & 3u)
#define SMALL_PASID_BITS(word) ((uint32_t)((word) >> 4) & 63u)

/* A PASID table has pointers (bit 0: present), each to a page of 512 entries; pointer 0
 * leads to the entry without a PASID, the first of its page, pointer 1 + PASID / 512 to the others.
 * An entry: */
#define SMALL_VALID 1u
#define SMALL_QUIET 2u
#define SMALL_WAITS 4u
#define SMALL_PASSES 16u /* accesses pass as they are */
#define SMALL_CPUS 8u    /* the CPUs' table: that something is not mapped is not remembered */

/* A word of a page table: 51:12 the address. A leaf has SMALL_LEAF. */
#define SMALL_PRESENT 1u
#define SMALL_LEAF 2u
#define SMALL_WRITE 4u
#define SMALL_EXECUTE 8u
#define SMALL_USER 16u

/* Registers. A command is sent by a store to SMALL_COMMAND, with what the others hold. */
enum {
  SMALL_DEVICES = 0x00, /* address of the device table; bits 5:0 log2 of its words */
  SMALL_CONTROL = 0x08, /* 1: it translates; else every access is blocked          */
  SMALL_WHO = 0x10,     /* stream ID, the PASID in bits 63:32; or a root           */
  SMALL_FIRST_BYTE = 0x18,
  SMALL_LAST_BYTE = 0x20,
  SMALL_COMMAND = 0x28,
  SMALL_DONE = 0x30,    /* commands that are complete */
  SMALL_REQUEST = 0x38, /* id of the oldest request that was not taken; 0: none */
  SMALL_REQUEST_WHO = 0x40,
  SMALL_REQUEST_AT = 0x48, /* the page, bits 2:0 what was wanted */
  SMALL_REQUEST_TAKE = 0x50
};
enum {
  SMALL_FORGET_DEVICE = 1, /* WHO: its word, and all entries that it has reached        */
  SMALL_FORGET_ENTRY = 2,  /* WHO                                                        */
  SMALL_DROP = 3,          /* of the root WHO, FIRST to LAST                             */
  SMALL_DROP_DEVICE = 4,   /* what the device WHO has cached at the PASID, FIRST to LAST */
  SMALL_DROP_ALL = 5,      /* all but what devices have cached                           */
  SMALL_RESPOND = 6        /* WHO: id of a request; FIRST: IOMMUCHECK_FAULT_*                */
};

#endif
