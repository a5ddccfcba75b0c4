/* SPDX-License-Identifier: MIT
 *
 * What users of the IOMMU of riscv_backend.h write, apart from the backend's reading of it, which
 * is held against this; and how they write it.
 */
#include <string.h>

#include "iommucheck/backend.h"
#include "riscv_backend.h"

enum { SV39_BITS = 39, SV48_BITS = 48 };

static int32_t route(const uint64_t* structure, struct iommucheck_user_route* to) {
  const uint32_t mode = FSC_MODE(structure[0]);
  const int directory = (structure[1] & TC_PDTV) != 0;
  if (structure[1] >> 32 != 0 || (structure[1] & 0xfde) != 0) return 0;
  if (directory) {
    if (mode != MODE_PD8 || (structure[0] >> 44 & 0xffff) != 0 || structure[1] >> 12 != 0) return 0;
    if (!(structure[1] & TA_V)) return 1;
    to->kind = IOMMUCHECK_USER_ROUTE_ENTRIES;
    to->entries = FSC_TABLE(structure[0]);
    to->pasid_bits = 8;
    return 1;
  }
  if (mode == MODE_BARE ? structure[0] != 0 : (structure[0] >> 44 & 0xffff) != 0) return 0;
  if (mode != MODE_BARE && mode != MODE_SV39 && mode != MODE_SV48) return 0;
  if (!(structure[1] & TA_V)) return 1; /* it leads nowhere */
  to->kind = mode == MODE_BARE ? IOMMUCHECK_USER_ROUTE_PASSES : IOMMUCHECK_USER_ROUTE_TABLE;
  to->input_bits = mode == MODE_SV39 ? SV39_BITS : SV48_BITS;
  to->table = FSC_TABLE(structure[0]);
  to->has_number = 1;
  to->number = TA_PSCID(structure[1]);
  return 1;
}

static int32_t command(const uint64_t* words, struct iommucheck_user_command* says) {
  const uint64_t first = words[1] & ~(uint64_t)(RISCV_PAGE - 1);
  const uint64_t below = words[1] & (RISCV_PAGE - 1);
#ifdef RISCV_WITHOUT_USERS_DEVICES
  if (COMMAND_KIND(words[0]) == ATS_INVAL) return 0;
#endif
  if (COMMAND_KIND(words[0]) == ATS_INVAL) {
    if ((words[0] >> 10 & 0x3fffffff) != 0 || (below & ~ATS_SIZED) != 0) return 0;
    says->about = IOMMUCHECK_USER_DEVICE;
    says->names = IOMMUCHECK_USER_NAMES_DEVICE;
    says->device = words[0] >> 40;
    return 1;
  }
  if (COMMAND_KIND(words[0]) == IODIR_INVAL_PDT) {
    if ((words[0] >> 32 & 0xff) != 3 || (words[0] >> 10 & 3) != 0 || words[1] != 0) return 0;
    says->about = IOMMUCHECK_USER_ENTRIES;
    says->names = IOMMUCHECK_USER_NAMES_DEVICE | IOMMUCHECK_USER_NAMES_PASID;
    says->device = words[0] >> 40;
    says->pasid = COMMAND_PID(words[0]);
    return 1;
  }
  if (COMMAND_KIND(words[0]) != IOTINVAL_VMA || below != 0) return 0;
  if (words[0] >> 33 != 0 || (words[0] >> 11 & 1) != 0) return 0;
  says->about = IOMMUCHECK_USER_TRANSLATIONS;
  says->last = ~(uint64_t)0;
  if (words[0] & COMMAND_AV) {
    says->first = first;
    says->last = first + RISCV_PAGE - 1;
  } else if (words[1] != 0) {
    return 0;
  }
  if (words[0] & COMMAND_PV) {
    says->names = IOMMUCHECK_USER_NAMES_NUMBER;
    says->number = COMMAND_PID(words[0]);
  } else if (COMMAND_PID(words[0]) != 0) {
    return 0;
  }
  return 1;
}

/* What it is told of a fault of its own: all but the host's number of the device. */
static int32_t told(const uint64_t* record, uint64_t number, uint64_t* words) {
  if (!CAUSE_IS_FIRST(FAULT_CAUSE(record[0]))) return 0;
  words[0] = (record[0] & 0xffffffff) | number << 32;
  words[1] = record[1];
  return 1;
}

static void event(const uint64_t* words, struct iommucheck_user_ended* reads) {
  const uint32_t cause = FAULT_CAUSE(words[0]);
  reads->number = words[0] >> 32;
  reads->has_pasid = (words[0] & FAULT_PV) != 0;
  reads->pasid = FAULT_PID(words[0]);
  reads->has_iova = cause <= CAUSE_WRITE;
  reads->iova = words[1];
  reads->access = cause == CAUSE_WRITE     ? IOMMUCHECK_ACCESS_WRITE
                  : cause == CAUSE_EXECUTE ? IOMMUCHECK_ACCESS_EXECUTE
                                           : IOMMUCHECK_ACCESS_READ;
  reads->ended = cause == CAUSE_DISALLOWED        ? IOMMUCHECK_USER_ENDED_NO_ENTRY
                 : cause == CAUSE_BAD_PC          ? IOMMUCHECK_USER_ENDED_BAD_ENTRY
                 : (words[0] & FAULT_RIGHTS) != 0 ? IOMMUCHECK_USER_ENDED_DENIED
                                                  : IOMMUCHECK_USER_ENDED_NOT_MAPPED;
  reads->and_more = !CAUSE_IS_FIRST(cause) || (words[2] | words[3]) != 0;
}

/* ---- as the user that the tester plays ---- */

static uint64_t pointer(uint64_t table) { return PTE(table, PTE_V); }
static uint64_t leaf(uint64_t page, uint32_t prot) {
  uint64_t bits = PTE_V | PTE_R | PTE_D;
  if (prot & IOMMUCHECK_PROT_WRITE) bits |= PTE_W;
  if (prot & IOMMUCHECK_PROT_EXEC) bits |= PTE_X;
  if (!(prot & IOMMUCHECK_PROT_PRIVILEGED)) bits |= PTE_U;
  return PTE(page, bits);
}
static uint64_t next(uint64_t word) { return PTE_TABLE(word); }

/* Its PSCID is the number of its root's page. */
static void route_to(uint64_t root, uint64_t* structure) {
  structure[0] = FSC(MODE_SV39, root);
  structure[1] = TA_V | (root / RISCV_PAGE & 0xfffff) << TA_PSCID_LSB;
}

static void route_to_entries(uint64_t entries, uint32_t lg2, uint64_t* structure) {
  (void)lg2; /* a page is 256 contexts */
  structure[0] = FSC(MODE_PD8, entries);
  structure[1] = TA_V | TC_PDTV;
}
static void entry_to(uint32_t kind, uint64_t root, uint64_t* words) {
  uint64_t of_route[2];
  route_to(root, of_route);
  words[0] = kind == IOMMUCHECK_USER_ENTRY_TABLE ? of_route[1] : TA_V;
  words[1] = kind == IOMMUCHECK_USER_ENTRY_TABLE ? of_route[0] : FSC(15, 0); /* a reserved mode */
}

static void write(uint32_t what, uint64_t number, uint64_t va, uint64_t* words) {
  words[0] = IOTINVAL_VMA;
  words[1] = 0;
  switch (what) {
    case IOMMUCHECK_USER_WRITES_PAGE:
      words[0] |= COMMAND_AV;
      words[1] = va;
      break;
    case IOMMUCHECK_USER_WRITES_ALL: break;
    case IOMMUCHECK_USER_WRITES_NUMBER: words[0] |= COMMAND_PV | (number & 0xfffff) << 12; break;
    case IOMMUCHECK_USER_WRITES_DEVICE:
      words[0] = ATS_INVAL | (number & 0xffffff) << 40;
      words[1] = va;
      break;
    case IOMMUCHECK_USER_WRITES_ENTRY:
      words[0] = IODIR_INVAL_PDT | COMMAND_DV | COMMAND_PV | (va & 0xfffff) << 12 |
                 (number & 0xffffff) << 40;
      break;
    case IOMMUCHECK_USER_WRITES_OF_HOST: words[0] = IOTINVAL_GVMA; break;
    case IOMMUCHECK_USER_WRITES_SYNC: words[0] = IOFENCE_C; break;
    default: words[0] = ATS_PRGR; break;
  }
}

extern const struct iommucheck_user_format riscv_users;
const struct iommucheck_user_format riscv_users = {
    .size = sizeof riscv_users,
    .abi = IOMMUCHECK_BACKEND_ABI,
    .format = RISCV_USER_FORMAT,
    .levels = 3,
    .route = route,
    .command = command,
    .pointer = pointer,
    .leaf = leaf,
    .next = next,
    .route_to = route_to,
    .write = write,
    .entry_words = RISCV_PC_BYTES / 8,
    .route_to_entries = route_to_entries,
    .entry_to = entry_to,
    .told = told,
    .event = event,
};
