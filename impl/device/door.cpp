// SPDX-License-Identifier: MIT
#include "impl/device/door.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "impl/device/smmu.h"

namespace iommucheck::device {

namespace {

/// Some behind the first entry of a first level, where the StreamIDs are wide enough.
constexpr u32 sids[] = {16, 24, 105, 300}, small_sids[] = {16, 24, 32, 40};
/// StreamIDs of conform's cases are below that, so that smaller stream tables are no use.
constexpr unsigned sid_bits_least = 6;

class Draw {
 public:
  explicit Draw(u64 seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
  u32 below(u32 n) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return static_cast<u32>((state_ >> 33) % n);
  }
  u32 from(u32 lowest, u32 highest) { return lowest + below(highest - lowest + 1); }
  bool one_in(u32 n) { return below(n) == 0; }

 private:
  u64 state_;
};

Features features_of(u64 seed) {
  if (seed % 2 != 0) return drawn_features(seed);
  Features all;
  all.httu = seed % 4 == 0 ? 3 : 2;
  all.pps = seed % 8 < 4;
  if (seed % 16 >= 8) all.oas = 52, all.vax = true;
  return all;
}

class DoorDevice final : public Memory, public Host {
 public:
  explicit DoorDevice(const iommucheck_dut_host& host) : host_(host) {}

  bool open() {
    auto made = Smmu::create(
        {.features = features_of(host_.seed), .caches = sizes(), .windows = {}}, *this, *this);
    if (!made) {
      std::fprintf(stderr, "%s\n", made.error().c_str());
      return false;
    }
    smmu_ = std::move(*made);
    port_ = std::make_unique<Port>(*smmu_);
    return true;
  }
  void reset() {
    smmu_->reset();
    waiting_ = 0;
    stalled_ = {};
  }
  void run(iommucheck_dut_op& op);
  [[nodiscard]] u32 flags() const;
  [[nodiscard]] bool few_streams() const { return smmu_->features().sidsize < 9; }

  // Memory
  bool read(u64 pa, void* to, u64 bytes) noexcept override {
    return host_.read(host_.ctx, pa, to, bytes) == 0;
  }
  bool write(u64 pa, const void* from, u64 bytes) noexcept override {
    return host_.write(host_.ctx, pa, from, bytes) == 0;
  }
  bool compare_exchange(u64 pa, u64& expected, u64 desired) noexcept override {
    u64 there = 0;
    if (!read(pa, &there, sizeof there)) return false;
    if (there == expected) return write(pa, &desired, sizeof desired);
    expected = there;
    return true;
  }
  // Host
  void interrupt(Line line) noexcept override {
    host_.interrupt(host_.ctx, static_cast<u32>(line), IOMMUCHECK_DUT_EDGE);
  }
  void atc_invalidate(const AtcInvalidation& r) noexcept override {
    const u32 attributes =
        (r.ssv ? IOMMUCHECK_DUT_HAS_SUBSTREAM : 0U) | (r.global ? IOMMUCHECK_DUT_IS_GLOBAL : 0U);
    host_.atc_invalidate(host_.ctx, r.sid, attributes, r.ssid, r.tag, r.address, r.bytes);
  }
  void page_response(const PageResponse& r) noexcept override {
    host_.page_response(host_.ctx, r.sid, r.ssv ? IOMMUCHECK_DUT_HAS_SUBSTREAM : 0U, r.ssid,
                        r.prg_index, r.code);
  }
  void stall_ended(u32 sid, u16 stag, StallEnd how) noexcept override {
    for (Stalled& one : stalled_) {
      if (!one.used || one.access.sid != sid || one.stag != stag) continue;
      one.used = false;
      if (how == StallEnd::retry) hold(one.access);
    }
  }

 private:
  /// Small ones, so that cases meet replacement.
  [[nodiscard]] CacheSizes sizes() const {
    if (host_.seed % 3 == 0) return {.tlb_lg2 = 1, .config_lg2 = 0};
    return {};
  }
  void dma(iommucheck_dut_op& op);
  void request(iommucheck_dut_op& op);
  void page_request(const iommucheck_dut_op& op);
  Answer send(const Access& access);
  void send_again();
  void hold(const Access& access) {
    if (waiting_ < waiting_most) held_[waiting_++] = access;
  }

  static constexpr std::size_t waiting_most = 64, stalled_most = 256;
  iommucheck_dut_host host_;
  std::unique_ptr<Smmu> smmu_;
  std::unique_ptr<Port> port_;
  struct Stalled {
    Access access;
    u16 stag = 0;
    bool used = false;
  };
  std::array<Stalled, stalled_most> stalled_{};
  /// Accesses whose stall waits for room, or that CMD_RESUME has tried again: they are sent when a
  /// register is written.
  std::array<Access, waiting_most> held_{};
  std::size_t waiting_ = 0;
};

u32 DoorDevice::flags() const {
  u32 flags = IOMMUCHECK_DUT_PROMPT | IOMMUCHECK_DUT_GIVES_PA | IOMMUCHECK_DUT_SAVES |
              IOMMUCHECK_DUT_SENDS_PRIVILEGED | IOMMUCHECK_DUT_SENDS_INSTRUCTIONS |
              IOMMUCHECK_DUT_SENDS_SUBSTREAMS | IOMMUCHECK_DUT_WIRES_INTERRUPTS;
  if (smmu_->features().ats) flags |= IOMMUCHECK_DUT_ATS;
  if (smmu_->features().pri) flags |= IOMMUCHECK_DUT_PRI;
  return flags;
}

void DoorDevice::dma(iommucheck_dut_op& op) {
  const Access access{.sid = op.where,
                      .ssv = (op.attributes & IOMMUCHECK_DUT_HAS_SUBSTREAM) != 0,
                      .ssid = op.ssid,
                      .address = op.address,
                      .type = (op.attributes & IOMMUCHECK_DUT_IS_WRITE) != 0         ? Type::write
                              : (op.attributes & IOMMUCHECK_DUT_IS_INSTRUCTION) != 0 ? Type::execute
                                                                                     : Type::read,
                      .privileged = (op.attributes & IOMMUCHECK_DUT_IS_PRIVILEGED) != 0,
                      .translated = (op.attributes & IOMMUCHECK_DUT_IS_TRANSLATED) != 0};
  const Answer answer = send(access);
  op.status = answer.end == End::passed                                ? IOMMUCHECK_DUT_DONE
              : answer.end == End::stalled || answer.end == End::waits ? IOMMUCHECK_DUT_STALLED
                                                                       : IOMMUCHECK_DUT_TERMINATED;
  op.pa = answer.end == End::passed ? answer.pa : 0;
}

/// One that stalls is known by its STAG until that ends.
Answer DoorDevice::send(const Access& access) {
  const Answer answer = port_->access(access);
  if (answer.end == End::waits) hold(access);
  if (answer.end == End::stalled) {
    const auto free = std::ranges::find(stalled_, false, &Stalled::used);
    if (free != stalled_.end()) *free = {access, answer.stag, true};
  }
  return answer;
}

/// Those that still find no room stay.
void DoorDevice::send_again() {
  const std::size_t count = waiting_;
  waiting_ = 0;
  for (std::size_t i = 0; i < count; ++i) (void)send(std::exchange(held_[i], {}));
}

void DoorDevice::request(iommucheck_dut_op& op) {
  const AtsAnswer answer =
      port_->request({.sid = op.where,
                      .ssv = (op.attributes & IOMMUCHECK_DUT_HAS_SUBSTREAM) != 0,
                      .ssid = op.ssid,
                      .address = op.address,
                      .write = (op.attributes & IOMMUCHECK_DUT_IS_WRITE) != 0,
                      .privileged = (op.attributes & IOMMUCHECK_DUT_IS_PRIVILEGED) != 0});
  using Status = AtsAnswer::Status;
  op.value = op.pa = 0;
  op.status = answer.status == Status::success               ? IOMMUCHECK_DUT_DONE
              : answer.status == Status::unsupported_request ? IOMMUCHECK_DUT_UNSUPPORTED
                                                             : IOMMUCHECK_DUT_COMPLETER_ABORT;
  if (!answer.read && !answer.write) return;
  op.value = (answer.read ? IOMMUCHECK_DUT_MAY_READ : 0U) |
             (answer.write ? IOMMUCHECK_DUT_MAY_WRITE : 0U) |
             u64{answer.lg2} << IOMMUCHECK_DUT_EXTENT_PLACE;
  op.pa = answer.pa;
}

void DoorDevice::page_request(const iommucheck_dut_op& op) {
  const auto has = [&](u32 flag) { return (op.attributes & flag) != 0; };
  smmu_->page_request({.sid = op.where,
                       .ssv = has(IOMMUCHECK_DUT_HAS_SUBSTREAM),
                       .ssid = op.ssid,
                       .address = op.address,
                       .prg_index = static_cast<u32>(op.value),
                       .last = has(IOMMUCHECK_DUT_IS_LAST),
                       .write = has(IOMMUCHECK_DUT_IS_WRITE),
                       .read = has(IOMMUCHECK_DUT_IS_READ),
                       .execute = has(IOMMUCHECK_DUT_IS_INSTRUCTION),
                       .privileged = has(IOMMUCHECK_DUT_IS_PRIVILEGED)});
}

void DoorDevice::run(iommucheck_dut_op& op) {
  op.status = IOMMUCHECK_DUT_DONE;
  switch (op.kind) {
    case IOMMUCHECK_DUT_READ: op.value = smmu_->read(op.where, op.bytes); break;
    case IOMMUCHECK_DUT_WRITE: smmu_->write(op.where, op.bytes, op.value); break;
    case IOMMUCHECK_DUT_DMA: return dma(op);
    case IOMMUCHECK_DUT_ATS_REQUEST: return request(op);
    case IOMMUCHECK_DUT_ATC_DONE: smmu_->atc_done(op.where); break;
    case IOMMUCHECK_DUT_ATC_TIME_OUT: smmu_->atc_time_out(); break;
    case IOMMUCHECK_DUT_PAGE_REQUEST: page_request(op); break;
    case IOMMUCHECK_DUT_SAVE_RESTORE: {
      std::array<std::byte, Smmu::state_bytes> state{};
      const std::size_t bytes = smmu_->save(state);
      smmu_->reset();
      if (!smmu_->restore(std::span(state).first(bytes))) op.status = IOMMUCHECK_DUT_REFUSED;
      break;
    }
    default: op.status = IOMMUCHECK_DUT_REFUSED; return;
  }
  while (smmu_->work_left()) smmu_->work();
  if (waiting_ != 0 && op.kind == IOMMUCHECK_DUT_WRITE) send_again();
}

DoorDevice& device_of(void* self) { return *static_cast<DoorDevice*>(self); }

void* open_device(const iommucheck_dut_host* host, iommucheck_dut_info* info) {
  auto device = std::unique_ptr<DoorDevice>(new (std::nothrow) DoorDevice(*host));
  if (!device || !device->open()) return nullptr;
  info->flags = device->flags();
  info->sid_count = static_cast<u32>(std::size(sids));
  std::memcpy(info->sids, device->few_streams() ? small_sids : sids, sizeof sids);
  std::strcpy(info->name, "fast");
  std::strcpy(info->release, "1");
  info->mmio_bytes = 0x20000;
  return device.release();
}

}  // namespace

Features drawn_features(u64 seed) {
  Draw draw(seed);
  Features f;
  f.minor = draw.below(4);
  f.s2p = !draw.one_in(3);
  f.s1p = !f.s2p || !draw.one_in(6);
  f.had = f.s1p && (f.minor >= 1 || draw.one_in(2));
  f.xnx = f.minor >= 1;
  f.ril = f.fwb = f.minor >= 2;
  f.bbml = f.minor >= 2 ? draw.from(1, 2) : 0;
  f.e0pd = f.minor >= 3;
  f.epan = f.minor >= 3 && draw.one_in(2);
  f.httu = draw.below(f.minor >= 3 ? 4 : 3);
  f.cohacc = !draw.one_in(3);
  f.asid16 = draw.one_in(2);
  f.vmid16 = f.s2p && draw.one_in(2);
  f.vmw = f.s2p && draw.one_in(3);
  const bool both = f.s1p && f.s2p;
  f.hyp = both && (f.minor >= 2 || draw.one_in(2));
  f.ats = !draw.one_in(3);
  f.pri = f.ats && draw.one_in(2);
  f.atsrecerr = f.ats && f.minor >= 2 && draw.one_in(2);
  f.msi = draw.one_in(2);
  f.stalls = static_cast<Stalls>(draw.below(3));
  f.stall_max = draw.from(1, 16);
  f.term_model = draw.one_in(3);
  do {
    f.gran4k = !draw.one_in(6);
    f.gran16k = draw.one_in(2);
    f.gran64k = draw.one_in(2);
  } while (!f.gran4k && !f.gran16k && !f.gran64k);
  f.stt = f.minor >= 1 && draw.one_in(3);
  f.cd2l = f.s1p && draw.one_in(2);
  f.ssidsize = f.s1p && !draw.one_in(4) ? draw.from(1, f.cd2l ? 20 : 8) : 0;
  f.pps = f.pri && f.ssidsize != 0 && draw.one_in(2);
  f.two_level_streams = draw.one_in(2);
  f.sidsize = f.two_level_streams ? draw.from(sid_bits_least, 20) : sid_bits_least;
  f.cmdqs = draw.from(3, 8);
  f.eventqs = draw.from(2, 7);
  f.priqs = draw.below(8);
  f.attr_perms_ovr = draw.one_in(2);
  constexpr unsigned outputs[] = {32, 36, 40, 42, 44, 48, 52};
  const bool wide = f.minor >= 1 && f.gran64k;
  f.oas = outputs[draw.below(wide ? 7 : 6)];
  f.vax = wide && draw.one_in(2);
  f.endian = draw.one_in(3) ? Endian::both : Endian::little;
  return f;
}

const iommucheck_dut* door() {
  static const iommucheck_dut device = [] {
    iommucheck_dut made{};
    made.size = sizeof made;
    made.abi = IOMMUCHECK_DUT_ABI;
    made.open = open_device;
    made.reset = [](void* self) {
      device_of(self).reset();
      return std::int32_t{0};
    };
    made.run = [](void* self, iommucheck_dut_op* ops, u64 count) {
      for (u64 i = 0; i < count; ++i) device_of(self).run(ops[i]);
      return static_cast<std::int64_t>(count);
    };
    made.close = [](void* self) { delete &device_of(self); };
    return made;
  }();
  return &device;
}

}  // namespace iommucheck::device
