/* SPDX-License-Identifier: MIT
 * The delegating device of examples/devices, broken in the way that IOMMUCHECK_TWIN names: what it
 * tells its host goes through here, and what its host tells it.
 */
#define iommucheck_device_entry delegating_device_entry
#include "examples/devices/delegating_device.c"
#undef iommucheck_device_entry

static int is(const char* twin) {
  const char* wanted = getenv("IOMMUCHECK_TWIN");
  return wanted != NULL && strcmp(wanted, twin) == 0;
}

static const struct iommucheck_dut_host* real;
static struct smmu* self_of_all; /* there is one in a process */
static unsigned writes, records; /* of this process */

/* The opcode of the command that it is at, 0: it is at none. CMDQ_CONS moves behind it. */
static int runs_commands;
static unsigned command_now(void) {
  struct smmu* s = self_of_all;
  const struct queue q = queue_of(s, CMDQ_BASE, CMDQS, 16);
  uint64_t command[2];
  if (!runs_commands) return 0;
  if (!load(s, q.base + 16 * (uint64_t)(s->reg[CMDQ_CONS / 4] & (q.entries - 1)), command, 2))
    return 0;
  return command[0] & 0xff;
}

/* Told the host with the next write of a register: commands, which it has held until CMD_SYNC. And
 * with the second one: STEs, since that of CMD_SYNC may be the first. */
static struct {
  uint32_t sid, how;
  uint64_t ste[8];
} late_installs[4096];
static uint64_t late_commands[2 * 4096];
static uint32_t late_install_count, late_command_count, late_writes;

static void tell_late(void) {
  if (late_command_count != 0) real->invalidate(real->ctx, late_commands, late_command_count);
  late_command_count = 0;
  if (late_install_count == 0 || ++late_writes < 2) return;
  for (uint32_t i = 0; i < late_install_count; ++i) {
    const int has_ste = late_installs[i].how == IOMMUCHECK_DUT_INSTALL_STE;
    real->install(real->ctx, late_installs[i].sid, late_installs[i].how,
                  has_ste ? late_installs[i].ste : NULL);
  }
  late_install_count = late_writes = 0;
}

static void nonsense(void) {
  const uint64_t ste[8] = {0};
  const uint64_t sync[2] = {0x46, 0}, cfgi_cd[2] = {0x05 | (uint64_t)0x30 << 32, 0};
  const uint64_t el2[2] = {0x20, 0}, atc_inv[2] = {0x40 | (uint64_t)0x10 << 32, 0};
  if (is("installs for a stranger")) real->install(real->ctx, 0x30, 1, ste);
  if (is("installs far away")) real->install(real->ctx, 0xffffffff, 1, ste);
  if (is("installs what is nothing")) real->install(real->ctx, sids[0], 9, ste);
  if (is("installs no words")) real->install(real->ctx, sids[0], 1, NULL);
  if (is("hands on a CMD_SYNC")) real->invalidate(real->ctx, sync, 1);
  if (is("hands on for a stranger")) real->invalidate(real->ctx, cfgi_cd, 1);
  if (is("hands on for EL2")) real->invalidate(real->ctx, el2, 1);
  if (is("hands on what is illegal")) real->invalidate(real->ctx, atc_inv, 1);
  if (is("hands on nothing")) real->invalidate(real->ctx, NULL, 0);
  if (is("hands on too many")) real->invalidate(real->ctx, sync, 1000000);
}

static void twin_install(void* ctx, uint32_t sid, uint32_t how, const uint64_t* words) {
  const int enabled = (self_of_all->reg[CR0 / 4] & SMMUEN) != 0;
  uint64_t ste[8];
  if (is("ignores CFGI_STE") && command_now() == 0x03) return;
  if (is("ignores CFGI_ALL") && command_now() == 0x04) return;
  if (is("installs late") && command_now() != 0 && late_install_count < 4096) {
    late_installs[late_install_count].sid = sid;
    late_installs[late_install_count].how = how;
    if (words != NULL) memcpy(late_installs[late_install_count].ste, words, 64);
    ++late_install_count;
    return;
  }
  if (is("bypass for abort") && words != NULL && (words[0] & 0xf) == 1)
    how = IOMMUCHECK_DUT_INSTALL_BYPASS;
  if (is("abort for bypass") && words != NULL && (words[0] & 0xf) == 9)
    how = IOMMUCHECK_DUT_INSTALL_ABORT;
  if (is("ignores SMMUEN = 0") && !enabled) return;
  if (is("ignores GBPA") && !enabled) how = IOMMUCHECK_DUT_INSTALL_BYPASS;
  if (is("aborts when disabled") && !enabled) how = IOMMUCHECK_DUT_INSTALL_ABORT;
  if (is("installs two words") && words != NULL) {
    memset(ste, 0, sizeof ste);
    memcpy(ste, words, 16);
    ste[1] &= ~(BIT(48) | BIT(49)); /* PRIVCFG */
    words = ste;
  }
  real->install(ctx, sid, how, how == IOMMUCHECK_DUT_INSTALL_STE ? words : NULL);
}

static void twin_invalidate(void* ctx, const uint64_t* commands, uint32_t count) {
  uint64_t kept[2 * HELD_MOST];
  uint32_t left = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const uint64_t op = commands[2 * i] & 0xff;
    if (is("forgets TLBI") && op >= 0x10) continue;
    if (is("forgets TLBI_NH_VAA") && op == 0x13) continue;
    if (is("forgets CFGI_CD") && op < 0x10) continue;
    memcpy(&kept[2 * left], &commands[2 * i], 16);
    if (is("loses the ASID") && (op == 0x11 || op == 0x12)) kept[2 * left] &= BIT(48) - 1;
    if (is("loses the address") && op >= 0x12) kept[2 * left + 1] = 0;
    ++left;
  }
  if (is("CMD_SYNC is early") && late_command_count + left <= 4096) {
    memcpy(&late_commands[2 * late_command_count], kept, 16 * left);
    late_command_count += left;
    return;
  }
  if (left != 0) real->invalidate(ctx, kept, left);
}

/* What the guest is told of a record of the host. */
static void break_record(struct iommucheck_dut_op* op) {
  const uint32_t type = op->ssid & 0xff;
  ++records;
  if (is("another StreamID")) op->where ^= 8;
  if (is("loses the input address")) op->value = 0;
  if (is("loses the SubstreamID")) op->ssid &= 0xff;
  if (is("C_BAD_STE is C_BAD_STE") && type == C_BAD_STE)
    self_of_all->streams[stream_of(op->where)].event = C_BAD_STE;
}

static void* twin_open(const struct iommucheck_dut_host* host, struct iommucheck_dut_info* info) {
  static struct iommucheck_dut_host wrapped;
  real = host;
  wrapped = *host;
  wrapped.install = twin_install;
  wrapped.invalidate = twin_invalidate;
  self_of_all = device_open(&wrapped, info);
  if (is("installs when opened")) real->install(real->ctx, sids[0], 3, NULL);
  if (is("without the flag")) info->flags &= ~IOMMUCHECK_DUT_DELEGATES;
  if (is("holds memory")) info->flags |= IOMMUCHECK_DUT_HOLDS_MEMORY | IOMMUCHECK_DUT_GIVES_PA;
  if (is("has ATS")) info->flags |= IOMMUCHECK_DUT_ATS;
  if (is("has PRI")) info->flags |= IOMMUCHECK_DUT_PRI;
  return self_of_all;
}

static int64_t twin_run(void* self, struct iommucheck_dut_op* ops, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    struct iommucheck_dut_op op = ops[i];
    if (op.kind == IOMMUCHECK_DUT_WRITE) {
      tell_late();
      if (++writes == 40) nonsense();
      runs_commands = op.where == CMDQ_PROD || op.where == GERRORN;
    }
    if (op.kind == IOMMUCHECK_DUT_RECORD_EVENT) {
      break_record(&op);
      if (is("drops records") && records % 4 == 0) {
        ops[i].status = IOMMUCHECK_DUT_DONE;
        continue;
      }
      if (is("records twice")) device_run(self, &op, 1);
    }
    device_run(self, &op, 1);
    runs_commands = 0;
    ops[i].status = op.status;
    if (op.kind == IOMMUCHECK_DUT_READ) ops[i].value = op.value;
    if (is("changes a record") && op.kind == IOMMUCHECK_DUT_RECORD_EVENT) ops[i].pa ^= 1;
    if (is("claims every granule") && op.kind == IOMMUCHECK_DUT_READ && op.where == 0x14)
      ops[i].value |= BIT(5) | BIT(6); /* 16 and 64 KiB, which its host walks for it */
    if (is("claims stalls") && op.kind == IOMMUCHECK_DUT_READ && op.where == 0)
      ops[i].value &= ~(uint64_t)(BIT(24) | BIT(25));
  }
  return (int64_t)count;
}

static int32_t twin_reset(void* self) {
  late_install_count = late_command_count = late_writes = 0;
  return device_reset(self);
}

const struct iommucheck_dut* iommucheck_device_entry(void) {
  static struct iommucheck_dut device;
  device = *delegating_device_entry();
  device.open = twin_open;
  device.reset = twin_reset;
  device.run = twin_run;
  return &device;
}
