// SPDX-License-Identifier: MIT
// What a guest does with its SMMU, step by step: its kernel's DMA API, a device in the hands of its
// user space, a process's own addresses, faults, an MSI. Its devices' accesses go through both
// stages of the host's SMMU.
#include <vector>

#include "tests/guest/guest_world_support.h"

namespace iommucheck::test::guest_story_test {
namespace {

using spec::sva::Status;

constexpr u32 read_only = spec::sva::prot_read;
constexpr u32 read_write = spec::sva::prot_read | spec::sva::prot_write;
constexpr u64 page = 4096;
const u64 memory = oracle::GuestPlaces{}.pages_pa;

/// Where the guest's address is in the host.
u64 physical(GuestWorld& world, u64 ipa) {
  const oracle::GuestMemory memory_of(oracle::GuestPlaces{}.regions(),
                                      world.guest().host().memory_pa());
  return memory_of.physical(ipa).value_or(0);
}

TEST(GuestStory, ItsMemoryLiesElsewhere) {
  GuestWorld world;
  EXPECT_NE(physical(world, memory), memory);
  EXPECT_NE(physical(world, memory) + (u64{2} << 20), physical(world, memory + (u64{2} << 20)));
}

TEST(GuestStory, TheKernelMapsForDma) {
  GuestWorld world;
  const u64 domain = world.domain();
  world.attach(domain, 2);
  EXPECT_EQ(world.may(world.access(2, 0x5000)), "-");
  EXPECT_EQ(world.map(domain, 0x5000, memory + 3 * page, 2 * page, read_write), Status::ok);
  EXPECT_EQ(world.may(world.access(2, 0x5008, true)), fmt::format("{:#x}", memory + 3 * page + 8));
  EXPECT_EQ(world.may(world.access(2, 0x6000)), fmt::format("{:#x}", memory + 4 * page));
  EXPECT_EQ(world.may(world.access(0, 0x5008)), "-");
  EXPECT_FALSE(world.happens(world.access(2, 0x5008, true)));
  world.unmap(domain, 0x5000, page);
  EXPECT_EQ(world.may(world.access(2, 0x5008, true)), "-");
  EXPECT_EQ(world.may(world.access(2, 0x6000)), fmt::format("{:#x}", memory + 4 * page));
}

/// A domain of its own, from which nothing of the kernel's is reached, and back.
TEST(GuestStory, ADeviceGoesToUserSpaceAndBack) {
  GuestWorld world;
  const u64 kernels = world.domain();
  const u64 users = world.domain();
  EXPECT_EQ(world.map(kernels, 0x5000, memory, page, read_write), Status::ok);
  EXPECT_EQ(world.map(users, 0x5000, memory + page, page, read_only), Status::ok);
  world.attach(kernels, 1);
  EXPECT_EQ(world.may(world.access(1, 0x5000)), fmt::format("{:#x}", memory));
  world.attach(users, 1);
  EXPECT_EQ(world.may(world.access(1, 0x5000)), fmt::format("{:#x}", memory + page));
  EXPECT_EQ(world.may(world.access(1, 0x5000, true)), "-");
  world.attach(kernels, 1);
  EXPECT_EQ(world.may(world.access(1, 0x5000, true)), fmt::format("{:#x}", memory));
}

/// Guest SVA with pages present: the CPU's own table is stage 1, at a PASID of the guest's.
TEST(GuestStory, ADeviceHasAProcessesAddresses) {
  GuestWorld world;
  const u64 domain = world.domain();
  world.attach(domain, 0);
  const u64 process = world.host().processes().create();
  ASSERT_TRUE(world.host().processes().map(process, 0x40000000, memory + page, page, read_write));
  GuestWorld::Call init{.kind = GuestWorld::CallKind::sva_device_init};
  EXPECT_EQ(world.call(init).status, Status::ok);
  GuestWorld::Call bind{.kind = GuestWorld::CallKind::bind_device};
  bind.mm = process;
  const auto bound = world.call(bind);
  ASSERT_EQ(bound.status, Status::ok);
  const auto pasid = static_cast<u32>(bound.value);
  const spec::Access there = GuestWorld::at(pasid, world.access(0, 0x40000000, true));
  EXPECT_EQ(world.may(there), fmt::format("{:#x}", memory + page));
  EXPECT_EQ(world.may(world.access(0, 0x40000000)), "-");

  world.host().processes().unmap(process, 0x40000000, page);
  EXPECT_EQ(world.may(there), "-");
  ASSERT_TRUE(world.host().processes().map(process, 0x40000000, memory, page, read_write));
  EXPECT_EQ(world.may(there), fmt::format("{:#x}", memory));

  GuestWorld::Call unbind{.kind = GuestWorld::CallKind::unbind_device};
  unbind.pasid = pasid;
  EXPECT_EQ(world.call(unbind).status, Status::ok);
  EXPECT_EQ(world.may(there), "-");
}

/// Without PRI it is terminated, and the guest is told by its own number.
TEST(GuestStory, AFaultIsTheGuests) {
  GuestWorld world;
  const u64 domain = world.domain();
  world.attach(domain, 2);
  EXPECT_TRUE(world.happens(world.access(2, 0x7123)));
  EXPECT_EQ(world.guest().smmu().numbers().records, 1U);
  const auto record = world.guest().smmu().last_record();
  const u32 sid = world.monitor().setup().devices[2].stream_ids.front();
  EXPECT_EQ(record[0], u64{sid} << 32 | 0x10);  // F_TRANSLATION
  EXPECT_EQ(record[2], 0x7123U);
  world.host().irq(IOMMUCHECK_IRQ_EVENT_QUEUE);
  world.expect_nothing();
}

/// What stage 2 does not map is memory that the guest has not: nobody is told in the guest.
TEST(GuestStory, WhereTheGuestHasNoMemory) {
  GuestWorld world;
  const u64 domain = world.domain();
  world.attach(domain, 2);
  constexpr u64 nowhere = u64{6} << 30;
  EXPECT_EQ(world.map(domain, 0x5000, nowhere, page, read_write), Status::ok);
  EXPECT_EQ(world.may(world.access(2, 0x5010)), fmt::format("{:#x}", nowhere + 0x10));
  EXPECT_FALSE(world.happens(world.access(2, 0x5010)));
  EXPECT_EQ(world.guest().smmu().numbers().records, 0U);
}

/// The guest maps its own doorbell, and stage 2 leads to the host's.
TEST(GuestStory, AnMsiGoesThroughBothStages) {
  GuestWorld world;
  const u64 doorbell = oracle::GuestPlaces{}.doorbell_pa;
  const u64 domain = world.domain();
  world.attach(domain, 3);
  constexpr u32 rights = spec::sva::prot_write | spec::sva::prot_device;
  EXPECT_EQ(world.map(domain, 0xfee00000, doorbell, page, rights), Status::ok);
  EXPECT_EQ(world.may(world.access(3, 0xfee00040, true)), fmt::format("{:#x}", doorbell + 0x40));
  EXPECT_FALSE(world.happens(world.access(3, 0xfee00040, true)));
  EXPECT_NE(physical(world, doorbell), doorbell);
}

/// Which of the pages of the window were written, and are clean from here on.
std::vector<bool> written(GuestWorld& world, u64 domain, u64 iova, u64 bytes) {
  GuestWorld::Call read{.kind = GuestWorld::CallKind::dirty_read, .domain = domain};
  read.iova = iova;
  read.size = bytes;
  read.grain = page;
  read.clear = true;
  const auto observed = world.call(read);
  EXPECT_EQ(observed.status, Status::ok);
  std::vector<bool> bits;
  for (u64 i = 0; i < bytes / page; ++i) bits.push_back((observed.bits[i / 64] >> i % 64 & 1) != 0);
  return bits;
}

/// Hardware of the host's marks the guest's descriptors, and the guest reads them: nothing of it
/// goes through the host.
TEST(GuestStory, TheGuestTracksWhatItsDevicesWrite) {
  GuestWorld world(2);
  const u64 domain = world.domain();
  world.attach(domain, 2);
  GuestWorld::Call track{.kind = GuestWorld::CallKind::dirty_set, .domain = domain};
  track.on = true;
  EXPECT_EQ(world.call(track).status, Status::ok);
  EXPECT_EQ(world.map(domain, 0x5000, memory, 2 * page, read_write), Status::ok);
  using Bits = std::vector<bool>;
  EXPECT_FALSE(world.happens(world.access(2, 0x5000)));
  EXPECT_EQ(written(world, domain, 0x5000, 2 * page), Bits({false, false}));
  EXPECT_FALSE(world.happens(world.access(2, 0x6000, true)));
  EXPECT_EQ(world.guest().smmu().numbers().marks, 1U);
  EXPECT_FALSE(world.happens(world.access(2, 0x6008, true)));
  EXPECT_EQ(world.guest().smmu().numbers().marks, 1U);
  EXPECT_EQ(written(world, domain, 0x5000, 2 * page), Bits({false, true}));
  EXPECT_EQ(written(world, domain, 0x5000, 2 * page), Bits({false, false}));
  EXPECT_EQ(world.may(world.access(2, 0x6000, true)), fmt::format("{:#x}", memory + page));
  EXPECT_FALSE(world.happens(world.access(2, 0x6000, true)));
  EXPECT_EQ(written(world, domain, 0x5000, 2 * page), Bits({false, true}));
}

/// A VMM that keeps TLBIs for itself while that is asked for.
class Forgetful final : public oracle::VirtualSmmu {
 public:
  Forgetful(oracle::HostSide& host, const oracle::GuestSetup& guest, const bool& forgets)
      : VirtualSmmu(host, guest), forgets_(forgets) {}

 private:
  bool hands_on(Command& command) override {
    const u64 opcode = command.low & 0xff;
    return !forgets_ || opcode < 0x10 || opcode > 0x13;
  }
  const bool& forgets_;
};

/// Clean again in memory, and dirty in the host's TLB: the next write leaves no mark.
TEST(GuestStory, AnInvalidationOfWhatIsCleanAgainIsOwed) {
  for (const bool wrong : {false, true}) {
    bool forgets = false;
    GuestWorld world(2, [&](oracle::HostSide& host, const oracle::GuestSetup& guest) {
      return std::make_unique<Forgetful>(host, guest, forgets);
    });
    const u64 domain = world.domain();
    world.attach(domain, 2);
    GuestWorld::Call track{.kind = GuestWorld::CallKind::dirty_set, .domain = domain};
    track.on = true;
    EXPECT_EQ(world.call(track).status, Status::ok);
    EXPECT_EQ(world.map(domain, 0x5000, memory, page, read_write), Status::ok);
    EXPECT_FALSE(world.happens(world.access(2, 0x5000, true)));
    EXPECT_EQ(world.may(world.access(2, 0x5000, true)), fmt::format("{:#x}", memory));
    forgets = wrong;
    EXPECT_EQ(written(world, domain, 0x5000, page), std::vector<bool>({true}));
    world.monitor().check_other_smmu(world.access(2, 0x5000, true));
    const std::string found = text_of_first(world.monitor().findings());
    EXPECT_EQ(found.starts_with("FLAG_UPDATES: "), wrong) << found;
  }
}

/// By what is cached as clean a write has to mark the descriptor first, and finds that it is gone.
/// A read looks at nothing. IHI 0070 3.13.4.
TEST(GuestStory, AWriteByACleanCopyFindsItsDescriptorGone) {
  GuestWorld world(2);
  const u64 domain = world.domain();
  world.attach(domain, 2);
  GuestWorld::Call track{.kind = GuestWorld::CallKind::dirty_set, .domain = domain};
  track.on = true;
  EXPECT_EQ(world.call(track).status, Status::ok);
  EXPECT_EQ(world.map(domain, 0x5000, memory, page, read_write), Status::ok);
  EXPECT_EQ(world.may(world.access(2, 0x5000)), fmt::format("{:#x}", memory));
  GuestWorld::Call unmap{.kind = GuestWorld::CallKind::unmap_fast, .domain = domain};
  unmap.iova = 0x5000;
  unmap.size = page;
  EXPECT_EQ(world.call(unmap).value, page);
  EXPECT_EQ(world.may(world.access(2, 0x5000)), fmt::format("-|{:#x}", memory));
  EXPECT_EQ(world.may(world.access(2, 0x5000, true)), "-");
  EXPECT_EQ(world.call({.kind = GuestWorld::CallKind::iotlb_sync, .domain = domain}).status,
            Status::ok);
  EXPECT_EQ(world.may(world.access(2, 0x5000)), "-");
}

/// What leads to memory that the host has taken away is written by nobody, and marks nothing.
TEST(GuestStory, AWriteWithoutMemoryMarksNothing) {
  GuestWorld world(2);
  const u64 domain = world.domain();
  world.attach(domain, 2);
  GuestWorld::Call track{.kind = GuestWorld::CallKind::dirty_set, .domain = domain};
  track.on = true;
  EXPECT_EQ(world.call(track).status, Status::ok);
  EXPECT_EQ(world.map(domain, 0x5000, memory, page, read_write), Status::ok);
  world.guest().host().take_away(memory);
  EXPECT_FALSE(world.happens(world.access(2, 0x5000, true)));
  EXPECT_EQ(world.guest().smmu().numbers().marks, 0U);
  EXPECT_EQ(written(world, domain, 0x5000, page), std::vector<bool>({false}));
  world.guest().host().give_back(memory);
  EXPECT_FALSE(world.happens(world.access(2, 0x5000, true)));
  EXPECT_EQ(written(world, domain, 0x5000, page), std::vector<bool>({true}));
}

/// The host takes memory away while the guest's devices have it mapped, and gives it back.
TEST(GuestStory, TheHostTakesMemoryAway) {
  GuestWorld world;
  const u64 domain = world.domain();
  world.attach(domain, 2);
  EXPECT_EQ(world.map(domain, 0x5000, memory, page, read_write), Status::ok);
  EXPECT_EQ(world.may(world.access(2, 0x5000)), fmt::format("{:#x}", memory));
  world.guest().host().take_away(memory);
  world.expect_nothing();
  EXPECT_EQ(world.may(world.access(2, 0x5000)), fmt::format("{:#x}", memory));
  EXPECT_TRUE(world.guest().host().is_away(memory));
  world.guest().host().give_back(memory);
  EXPECT_EQ(world.may(world.access(2, 0x5000)), fmt::format("{:#x}", memory));
  world.expect_nothing();
}

}  // namespace
}  // namespace iommucheck::test::guest_story_test
