/* SPDX-License-Identifier: MIT
 * The words of an IOMMU like VT-d's in scalable mode, as a stranger may have it: root and context
 * entries, PASID directories and tables, tags of a domain's number (DID) and the PASID, a queue of
 * invalidations. First-level tables only; PASID entries have two words.
 */
#ifndef VTD_BACKEND_H
#define VTD_BACKEND_H

#include <stdint.h>

#define VTD_PAGE 4096u
#define VTD_WORDS 512u
#define VTD_LEVELS 4u
#define VTD_ADDRESS 0x000ffffffffff000ull
#define VTD_P 1u

/* Root entries, a word for each bus: a table of contexts, of 256 words. A context: the directory,
 * bits 8:4 how many bits a PASID may have, bit 1: accesses without one pass as they are. */
#define CONTEXT_PASSES 2u
#define CONTEXT_PASID_BITS(word) ((uint32_t)((word) >> 4) & 31u)
/* A directory has a word for each page of 256 entries. Where PASID 0 is kept, accesses without one
 * use its entry; else the first page is theirs, and those of PASIDs follow. */
#define VTD_ENTRIES 256u
#define VTD_ENTRY_BYTES 16u
#ifdef VTD_WITHOUT_RID_PASID_0
#define VTD_KNOWN_AS(pasid) (pasid)
#define VTD_DIRECTORY_INDEX(pasid, none) ((none) ? 0 : 1 + (uint64_t)(pasid) / VTD_ENTRIES)
#else
#define VTD_KNOWN_AS(pasid) ((pasid) == 0xffffffffu ? 0 : (pasid))
#define VTD_DIRECTORY_INDEX(pasid, none) ((none) ? 0 : (uint64_t)(pasid) / VTD_ENTRIES)
#endif
/* Word 0 of an entry: the root of a page table, or it passes; word 1: the DID. */
#define ENTRY_PASSES 0x40u
#define ENTRY_FPD 0x2u  /* nothing is translated, and nothing reported */
#define ENTRY_PRS 0x80u /* a device that can wait asks for the page */
#define ENTRY_CPUS 0x100u

/* Page tables. */
#define PT_RW 2u
#define PT_US 4u
#define PT_LEAF 0x200u /* in an available bit: an entry of the last level */
#define PT_NO_READ \
  0x400u /* likewise: as a second stage has it, whose entries may be for writes alone */
#define PT_XD (1ull << 63)

enum {
  VTD_ROOT = 0x20,    /* address of the root table */
  VTD_CONTROL = 0x18, /* 1: it translates */
  VTD_IQA = 0x90,     /* address of the queue of invalidations, 256 of two words */
  VTD_IQH = 0x80,
  VTD_IQT = 0x88,
  VTD_REQUEST = 0xc0, /* the oldest page request that was not taken: its number, 0: none */
  VTD_REQUEST_WHO = 0xc8,
  VTD_REQUEST_AT = 0xd0,
  VTD_REQUEST_TAKE = 0xd8,
  VTD_RESPOND = 0xe0 /* number, code in 63:32 */
};
/* Invalidations. Word 0: kind 3:0, granularity 5:4, DID 31:16 or source 63:32; PASID 63:32 of the
 * IOTLB's; word 1: address, bit 6: leaves only (IH), 5:0 log2 of the pages. The device TLB's:
 * source 31:8 of word 0, PASID 62:32, 63: it has one. */
enum { INV_CONTEXT = 1, INV_IOTLB = 2, INV_DEVICE = 3, INV_WAIT = 5, INV_PASID = 7 };
enum { OF_ALL = 0, OF_ONE = 1, OF_RANGE = 2 };
#define INV(kind, granularity) ((uint64_t)(kind) | (uint64_t)(granularity) << 4)
#define INV_KIND(word) ((uint32_t)(word) & 15u)
#define INV_GRANULARITY(word) ((uint32_t)((word) >> 4) & 3u)
#define INV_HIGH(word) ((uint32_t)((word) >> 32))
#define INV_DID(word) ((uint32_t)((word) >> 16) & 0xffffu)
#define INV_SOURCE(word) ((uint32_t)((word) >> 8) & 0xffffffu)
#define INV_IH 0x40u
#define INV_HAS_PASID (1ull << 63)

#endif
