/* SPDX-License-Identifier: MIT
 * The words of an IOMMU like RISC-V's: what stands in memory, its registers and its commands. The
 * directory of devices has two levels, and where RISC-V leaves room, three bits of a process
 * context say what the core asks of an entry. Behind a second stage (iohgatp) there is a page
 * table of a user's (a guest's), or none, or its directory of processes, of one level.
 */
#ifndef RISCV_BACKEND_H
#define RISCV_BACKEND_H

#include <stdint.h>

#define RISCV_PAGE 4096u
#define RISCV_WORDS 512u
#define RISCV_LEVELS 4u /* Sv48 */

/* The directory of devices (DDT): a word for each page of 128 device contexts (DC) of four words.
 */
#define RISCV_DC_BYTES 32u
#define RISCV_DCS 128u
enum { DC_TC = 0, DC_IOHGATP = 8, DC_TA = 16, DC_FSC = 24 };
#define TC_V 0x1u
#define TC_EN_ATS 0x2u /* the device may cache translations */
#define TC_PDTV 0x20u  /* fsc leads to a directory of processes, else to a page table */
#define TC_DPE 0x200u  /* without a PASID the context of process 0; else untranslated */
/* A process context (PC), in the last level of a directory (PDT): ta, fsc. */
#define RISCV_PC_BYTES 16u
enum { PC_TA = 0, PC_FSC = 8 };
#define TA_V 0x1u
#define TA_WAITS 0x10u /* a device that can wait asks for the page */
#define TA_QUIET 0x20u /* nothing is translated, and nothing reported */
#define TA_CPUS 0x40u  /* the CPUs' table: that something is not mapped is not cached */
#define TA_PSCID_LSB 12
#define TA_PSCID(word) ((uint32_t)((word) >> TA_PSCID_LSB) & 0xfffffu)
/* iohgatp: a mode, GSCID and where. Its addresses have 48 bits (RISC-V's Sv48x4 has two more). */
#define HGATP(gscid, pa) (9ull << 60 | (uint64_t)(gscid) << 44 | (pa) >> 12)
#define HGATP_GSCID(word) ((uint32_t)((word) >> 44) & 0xffffu)
/* fsc: a mode, and where: in 4 KiB. */
#define FSC_MODE(word) ((uint32_t)((word) >> 60))
#define FSC_TABLE(word) (((word) & 0xfffffffffffull) << 12)
#define FSC(mode, pa) ((uint64_t)(mode) << 60 | (pa) >> 12)
enum { MODE_BARE = 0, MODE_SV39 = 8, MODE_SV48 = 9 };
enum { MODE_PD8 = 1, MODE_PD17 = 2, MODE_PD20 = 3 }; /* with PDTV; as many levels */
/* Entries of a PDT above the last level, and of page tables. */
#define PTE_V 0x1u
#define PTE_R 0x2u
#define PTE_W 0x4u
#define PTE_X 0x8u
#define PTE_U 0x10u
#define PTE_D 0x80u /* of a leaf that may be written: it was; 0: a write sets it first */
#define PTE_TABLE(word) (((word) >> 10 & 0xfffffffffffull) << 12)
#define PTE(pa, bits) ((pa) >> 12 << 10 | (bits))
#define PDT_INDEX(pasid, level) \
  ((level) == 0 ? (pasid) & 0xffu : (level) == 1 ? (pasid) >> 8 & 0x1ffu : (pasid) >> 17)

/* Registers. */
enum {
  RISCV_DDTP = 0x10, /* 53:10 where the directory is, in 4 KiB; 1: it translates, 0: all is blocked;
                        63:58 log2 of its words */
  RISCV_CQB = 0x18,  /* the queue of commands: the same, and log2 of its commands */
  RISCV_CQH = 0x20,
  RISCV_CQT = 0x28,
  RISCV_PQH = 0x40, /* of page requests: how many were taken, and how many there are */
  RISCV_PQT = 0x48,
  RISCV_PQ_WHO = 0x50, /* the next of them, in the place of a queue in memory */
  RISCV_PQ_WHAT = 0x58,
  RISCV_PQ_GROUP = 0x60,
  RISCV_FQH = 0x80, /* of faults that end an access: the same, RISCV_FAULTS at a time; others are
                       lost */
  RISCV_FQT = 0x88,
  RISCV_FQ_WHO = 0x90, /* the next of them */
  RISCV_FQ_IOTVAL = 0x98,
  RISCV_FQ_IOTVAL2 = 0xa0
};
#define RISCV_FAULTS 32u
#define RISCV_REGISTER(pa, lg2, on) ((uint64_t)(lg2) << 58 | (pa) >> 12 << 10 | (on))
#define RISCV_REGISTER_PA(value) (((value) >> 10 & 0xfffffffffffull) << 12)
#define RISCV_REGISTER_LG2(value) ((uint32_t)((value) >> 58))

/* Commands, of two words: an opcode and a function; AV: word 1 has an address; PSCV or PV; DV. */
#define COMMAND_BYTES 16u
#define COMMAND(opcode, function) ((uint64_t)(opcode) | (uint64_t)(function) << 7)
#define COMMAND_KIND(word) ((uint32_t)((word) & 0x3ff))
#define COMMAND_AV (1ull << 10)
#define COMMAND_PV (1ull << 32)
#define COMMAND_DV (1ull << 33)
#define COMMAND_GV (1ull << 33) /* of IOTINVAL: GSCID is named */
#define COMMAND_GSCID(word) ((uint32_t)((word) >> 40) & 0xffffu)
#define COMMAND_PID(word) ((uint32_t)((word) >> 12) & 0xfffffu)
#define COMMAND_DID(word) ((uint32_t)((word) >> 40))
enum {
  /* Of the first stage: leaves at the address, or everything of PSCID, of GSCID (GV: behind a
   * second stage), or of all; then of the second stage, its own and what both made together. */
  IOTINVAL_VMA = 1,
  IOTINVAL_GVMA = 1 | 1 << 7,
  IOFENCE_C = 2,                /* all before it have acted                                 */
  IODIR_INVAL_DDT = 3,          /* the DC of DID, with all that was read through it         */
  IODIR_INVAL_PDT = 3 | 1 << 7, /* the PC of DID at PID                                     */
  ATS_INVAL = 4,                /* what the device DID has cached (at PID, if PV)           */
  ATS_PRGR = 4 | 1 << 7         /* response to a group of page requests                     */
};
/* Word 1 of ATS_INVAL: an aligned range, its size by the lowest 0 above bit 11, if bit 11 is 1. */
#define ATS_SIZED (1ull << 11)
#define ATS_GLOBAL 1ull /* with PV: at every PASID */
/* Word 1 of ATS_PRGR: the group, 51:48 the response. */
enum { PRGR_SUCCESS = 0, PRGR_INVALID = 1, PRGR_FAILURE = 15 };
#define PRGR_CODE(word) ((uint32_t)((word) >> 48 & 15))

/* What a user (a guest) writes for an IOMMU of its own: a route is fsc, then ta: V, PSCID. fsc is \
 * Bare, Sv39 or Sv48; its table and its PSCID are the user's own. With PDTV in ta, where it has   \
 * room, fsc is PD8: the user's directory, whose contexts are as the host's. Commands:             \
 * IOTINVAL.VMA without GV; IODIR.INVAL_PDT, and ATS.INVAL without PV, of a device by the user's   \
 * number for it. */                                                                               \
#define RISCV_USER_FORMAT                                                                          \
  0x5256u
#define USER_TA_BITS (TA_V | TC_PDTV | 0xfffffull << TA_PSCID_LSB)

/* A page request. WHO: PID 31:12, PV 32, DID 63:40; WHAT: the page and these bits; its group, which
 * is a number of the IOMMU's here. */
#define REQUEST_R 0x1u
#define REQUEST_W 0x2u
#define REQUEST_X 0x8u
#define REQUEST_LAST 0x4u

/* A fault. WHO: CAUSE 9:0, FAULT_RIGHTS, PV 11, PID 31:12, DID 63:32 (RISC-V has some elsewhere);
 * IOTVAL: the address of the access; IOTVAL2, of the second stage: the address of that. */
#define FAULT_CAUSE(word) ((uint32_t)((word) & 0x3ff))
enum {
  CAUSE_EXECUTE = 12, /* page faults of the first stage */
  CAUSE_READ = 13,
  CAUSE_WRITE = 15,
  CAUSE_SECOND = 8,       /* more: of the second one */
  CAUSE_DISALLOWED = 260, /* there are no PASIDs, or fewer */
  CAUSE_BAD_PC = 267      /* the process context is none */
};
#define CAUSE_IS_FIRST(cause) \
  ((cause) <= CAUSE_WRITE || (cause) == CAUSE_DISALLOWED || (cause) == CAUSE_BAD_PC)
#define FAULT_RIGHTS (1ull << 10) /* something is mapped there, and not for that */
#define FAULT_PV (1ull << 11)
#define FAULT_PID(word) ((uint32_t)((word) >> 12) & 0xfffffu)
#define FAULT_DID(word) ((uint32_t)((word) >> 32))

#endif
