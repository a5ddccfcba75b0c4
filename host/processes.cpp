// SPDX-License-Identifier: MIT
#include "host/processes.h"

#include <algorithm>

#include "base/bits.h"
#include "host/page_descriptor.h"
#include "spec/sva/call.h"
#include "trace/agent.h"

namespace iommucheck::oracle {

namespace {

constexpr AgentId environment = trace::environment_agent;
constexpr u64 table_bytes = 4096;
constexpr u64 entries = 512;

using page::execute_never;
using page::last_level;
using page::read_only;
using page::table_or_page;
using page::valid;

constexpr unsigned level_lg2(unsigned level) { return 12 + 9 * (last_level - level); }
constexpr u64 level_bytes(unsigned level) { return u64{1} << level_lg2(level); }
constexpr u64 output(u64 descriptor) { return descriptor & mask(47, 12); }

constexpr bool is_table(u64 descriptor, unsigned level) {
  return level < last_level && (descriptor & 3) == (valid | table_or_page);
}

constexpr ProcessRights rights_of(u64 descriptor) {
  ProcessRights rights = spec::sva::prot_read;
  if ((descriptor & read_only) == 0) rights |= spec::sva::prot_write;
  if ((descriptor & execute_never) == 0) rights |= spec::sva::prot_exec;
  return rights;
}

}  // namespace

Processes::Processes(Monitor& monitor, u64 base, u64 bytes)
    : monitor_(monitor),
      memory_(monitor.trail(), base, bytes),
      coherent_(monitor.smmu().capabilities().cohacc),
      last_asid_(monitor.smmu().capabilities().asid16 ? 0xffff : 0xff) {}

const Processes::Process* Processes::find(u64 mm) const {
  return mm == 0 || mm > count_ ? nullptr : &processes_[mm - 1];
}

Processes::Process& Processes::edit(u64 mm) {
  Process& process = processes_[mm - 1];
  monitor_.trail().save(reinterpret_cast<u64*>(&process), sizeof(process) / 8);
  return process;
}

u64 Processes::read(u64 pa) const { return monitor_.caches().memory().newest(pa).value; }
void Processes::write(u64 pa, u64 value) {
  monitor_.store(environment, pa, value);
  if (!coherent_) unpublished_.push_back({pa, 8});
}
/// What was stored is visible to the SMMU from here on.
void Processes::publish() {
  for (const auto& [pa, bytes] : unpublished_) monitor_.clean(environment, pa, bytes);
  unpublished_.clear();
  monitor_.barrier(environment);
}

u64 Processes::new_table() {
  const u64 pa = memory_.allocate(table_bytes);
  if (pa == 0) return 0;
  monitor_.alloc(environment, pa, table_bytes);
  monitor_.fill(environment, pa, entries, 0);
  if (!coherent_) unpublished_.push_back({pa, table_bytes});
  publish();
  return pa;
}

u64 Processes::create() {
  const u64 mm = make();
  if (mm != 0) monitor_.process_created(mm);
  return mm;
}

u64 Processes::make() {
  if (count_ == max) return 0;
  const bool elsewhere = of_hardware() != nullptr;
  const u64 root = elsewhere ? 0 : new_table();
  if (root == 0 && !elsewhere) return 0;
  monitor_.trail().set(count_, count_ + 1);
  const u64 handle = free_handle().value_or(count_);
  edit(count_) = {.root = root, .living = 1, .asid = 0, .pins = 0, .handle = handle, .over = 0};
  return count_;
}

/// Of a process that is over, and to which no driver can come back.
std::optional<u64> Processes::free_handle() const {
  for (u64 mm = 1; mm < count_; ++mm) {
    const Process& process = processes_[mm - 1];
    const bool is_free = process.over != 0 && process.pins == 0;
    if (is_free && of_handle(process.handle) == mm) return process.handle;
  }
  return std::nullopt;
}

u64 Processes::of_handle(u64 handle) const {
  for (u64 mm = count_; mm > 0; --mm) {
    if (processes_[mm - 1].handle == handle) return mm;
  }
  return 0;
}

u64 Processes::handle_of(u64 mm) const {
  constexpr u64 nobodys = 0x1000;  // beyond all that there are: it was another's since
  const Process* process = find(mm);
  if (process == nullptr) return mm;
  return of_handle(process->handle) == mm ? process->handle : nobodys + mm;
}

bool Processes::alive(u64 mm) const {
  const Process* process = find(mm);
  return process != nullptr && process->living != 0;
}

u64 Processes::root(u64 mm) const {
  if (const HardwareProcesses* its = of_hardware()) return its->root(mm);
  const Process* process = find(mm);
  return process == nullptr ? 0 : process->root;
}

void Processes::leaves_in(u64 table, unsigned level, u64 table_va, u64 first, u64 last,
                          std::vector<Leaf>& found) const {
  const spec::Frame* frame = monitor_.caches().memory().find(table);
  if (frame == nullptr) return;
  const u64 size = level_bytes(level);
  const u64 from = first <= table_va ? 0 : (first - table_va) / size;
  for (auto i = static_cast<unsigned>(from); (i = frame->next_used(i)) < entries; ++i) {
    const u64 va = table_va + i * size;
    if (va > last) return;
    const u64 value = frame->newest(i).value;
    if ((value & valid) == 0) continue;
    if (is_table(value, level)) {
      leaves_in(output(value), level + 1, va, first, last, found);
    } else {
      found.push_back({table + 8 * i, value, va, size});
    }
  }
}

bool Processes::put(u64 root, u64 va, u64 pa, u64 bytes, ProcessRights rights) {
  for (u64 done = 0; done < bytes;) {
    const u64 at = va + done;
    const u64 to = pa + done;
    const bool block = ((at | to) & (level_bytes(2) - 1)) == 0 && bytes - done >= level_bytes(2);
    const unsigned leaf_level = block ? 2 : last_level;
    u64 table = root;
    for (unsigned level = 0; level < leaf_level; ++level) {
      const u64 place = table + 8 * bits(at, level_lg2(level) + 8, level_lg2(level));
      u64 value = read(place);
      if ((value & valid) == 0) {
        const u64 below = new_table();
        if (below == 0) return false;
        value = below | valid | table_or_page;
        write(place, value);
      }
      table = output(value);
    }
    const u64 place = table + 8 * bits(at, level_lg2(leaf_level) + 8, level_lg2(leaf_level));
    const u64 before = read(place);
    if (is_table(before, leaf_level)) {
      // An empty table where a block goes: in pages, then.
      if (!put(root, at, to, level_bytes(2) - level_bytes(last_level), rights)) return false;
      done += level_bytes(2) - level_bytes(last_level);
      continue;
    }
    write(place, page::leaf(to, leaf_level, rights));
    done += level_bytes(leaf_level);
  }
  return true;
}

bool Processes::map(u64 mm, u64 va, u64 pa, u64 bytes, ProcessRights rights) {
  if (!alive(mm) || bytes == 0 || ((va | pa | bytes) & (table_bytes - 1)) != 0) return false;
  if ((va + bytes - 1) >> input_bits != 0 || va + bytes < va) return false;
  if (of_hardware() != nullptr) return map_page_by_page(mm, va, pa, bytes, rights);
  std::vector<Leaf> present;
  leaves_in(root(mm), 0, 0, va, va + bytes - 1, present);
  if (!present.empty()) return false;
  const bool whole = put(root(mm), va, pa, bytes, rights);
  publish();
  if (!whole) {
    // Memory is short: what has been made is part of the table, and is told as such.
    leaves_in(root(mm), 0, 0, va, va + bytes - 1, present);
    for (const Leaf& made : present) {
      monitor_.process_maps(mm, made.va, made.bytes, output(made.value), rights);
    }
    return false;
  }
  monitor_.process_maps(mm, va, bytes, pa, rights);
  return true;
}

bool Processes::is_empty(u64 table) const {
  const spec::Frame* frame = monitor_.caches().memory().find(table);
  for (unsigned i = 0; frame != nullptr && (i = frame->next_used(i)) < entries; ++i) {
    if (frame->newest(i).value != 0) return false;
  }
  return true;
}

/// Takes tables without entries out that lie in the range. True if `table` itself is empty now.
bool Processes::unlink_empty(u64 table, unsigned level, u64 table_va, u64 first, u64 last,
                             std::vector<u64>& unlinked) {
  const u64 size = level_bytes(level);
  for (u64 i = first <= table_va ? 0 : (first - table_va) / size; i < entries; ++i) {
    const u64 va = table_va + i * size;
    if (va > last) break;
    const u64 value = read(table + 8 * i);
    if ((value & valid) == 0 || !is_table(value, level)) continue;
    if (!unlink_empty(output(value), level + 1, va, first, last, unlinked)) continue;
    write(table + 8 * i, 0);
    unlinked.push_back(output(value));
  }
  return is_empty(table);
}

bool Processes::notify(u64 mm, u64 va, u64 bytes) {
  constexpr u64 block = u64{1} << 21;
  if (tells_ == Tells::everything) {
    va = 0;
    bytes = ~u64{0};
  } else if (tells_ == Tells::aligned && bytes != ~u64{0}) {
    const u64 end = va + bytes + (block - 1);
    va -= va % block;
    bytes = end - end % block - va;
  }
  return !invalidate_ || !monitor_.interface().is_bound(mm) || invalidate_(mm, va, bytes);
}

/// The SMMU hears what CPUs broadcast of its ASID.
bool Processes::is_heard(u64 mm) const {
  return monitor_.caches().capabilities().btm && !monitor_.smmu().ptm() && asid(mm) != 0;
}

/// The driver's CPU has not waited for its own broadcasts.
bool Processes::has_to_wait(u64 mm) const {
  return is_heard(mm) && monitor_.caches().broadcasts_in_flight();
}

/// By an operating system that runs at EL2 where the SMMU is told so. Linux does the same: beyond
/// so many pages the ASID as a whole.
void Processes::broadcast(u64 mm, u64 va, u64 bytes) {
  constexpr u64 pages_max = 512;
  if (!is_heard(mm) || has_to_wait(mm)) return;
  trace::BroadcastTlbi tlbi{.scope = trace::BroadcastScope::asid,
                            .asid = static_cast<u16>(asid(mm))};
  if (monitor_.caches().e2h()) tlbi.world = trace::CpuWorld::el2_e2h;
  if (bytes / table_bytes <= pages_max) {
    tlbi.scope = trace::BroadcastScope::va;
    tlbi.va = va;
    tlbi.length = bytes;
  }
  monitor_.broadcast(environment, tlbi);
  monitor_.barrier(environment, trace::BarrierKind::full, true);
}

/// What of the range lies within the input size.
u64 Processes::bytes_within(u64 va, u64 bytes) {
  constexpr u64 end = u64{1} << input_bits;
  return va >= end ? 0 : std::min(bytes, end - va);
}

void Processes::unmap(u64 mm, u64 va, u64 bytes) {
  bytes = bytes_within(va, bytes);
  if (!alive(mm) || bytes == 0) return;
  if (of_hardware() != nullptr) return unmap_page_by_page(mm, va, bytes);
  if (has_to_wait(mm)) return;
  std::vector<Leaf> leaves;
  leaves_in(root(mm), 0, 0, va, va + bytes - 1, leaves);
  if (leaves.empty()) return;
  const u64 first = std::min(va, leaves.front().va);
  const u64 last = std::max(va + bytes - 1, leaves.back().va + leaves.back().bytes - 1);
  for (const Leaf& each : leaves) write(each.place, 0);
  std::vector<u64> unlinked;
  unlink_empty(root(mm), 0, 0, first, last, unlinked);
  publish();
  monitor_.process_unmaps(mm, first, last - first + 1);
  broadcast(mm, first, last - first + 1);
  if (!notify(mm, first, last - first + 1)) return;
  for (const u64 table : unlinked) {
    monitor_.free(environment, table, table_bytes);
    memory_.free(table, table_bytes);
  }
}

void Processes::protect(u64 mm, u64 va, u64 bytes, ProcessRights rights) {
  bytes = bytes_within(va, bytes);
  if (!alive(mm) || bytes == 0) return;
  if (of_hardware() != nullptr) return protect_page_by_page(mm, va, bytes, rights);
  if (has_to_wait(mm)) return;
  std::vector<Leaf> leaves;
  leaves_in(root(mm), 0, 0, va, va + bytes - 1, leaves);
  bool changed = false;
  for (const Leaf& each : leaves) {
    const u64 value =
        page::leaf(output(each.value), each.bytes == table_bytes ? last_level : 2, rights);
    if (value == each.value) continue;
    write(each.place, value);
    changed = true;
  }
  if (!changed) return;
  const u64 first = std::min(va, leaves.front().va);
  const u64 last = std::max(va + bytes - 1, leaves.back().va + leaves.back().bytes - 1);
  publish();
  monitor_.process_protects(mm, first, last - first + 1, rights);
  broadcast(mm, first, last - first + 1);
  notify(mm, first, last - first + 1);
}

u64 Processes::fork(u64 mm) {
  if (!alive(mm) || count_ == max) return 0;
  if (of_hardware() != nullptr) return fork_page_by_page(mm);
  if (has_to_wait(mm)) return 0;
  const u64 child = make();
  if (child == 0) return 0;
  std::vector<Leaf> leaves;
  leaves_in(root(mm), 0, 0, 0, ~u64{0}, leaves);
  for (const Leaf& each : leaves) {
    const ProcessRights rights = rights_of(each.value) & ~spec::sva::prot_write;
    if (put(root(child), each.va, output(each.value), each.bytes, rights)) continue;
    publish();
    exit_begins(child);  // memory is short: there never was a child
    exit_ends(child);
    return 0;
  }
  bool changed = false;
  for (const Leaf& each : leaves) {
    if ((each.value & read_only) != 0) continue;
    write(each.place, each.value | read_only);
    changed = true;
  }
  publish();
  monitor_.process_forks(mm, child);
  if (!changed) return child;
  broadcast(mm, 0, ~u64{0});
  notify(mm, 0, ~u64{0});
  return child;
}

void Processes::exit_begins(u64 mm) { edit(mm).living = 0; }

void Processes::free_tables(u64 table, unsigned level) {
  const spec::Frame* frame = level < last_level ? monitor_.caches().memory().find(table) : nullptr;
  for (unsigned i = 0; frame != nullptr && (i = frame->next_used(i)) < entries; ++i) {
    const u64 value = frame->newest(i).value;
    if (is_table(value, level)) free_tables(output(value), level + 1);
  }
  monitor_.free(environment, table, table_bytes);
  memory_.free(table, table_bytes);
}

void Processes::exit_ends(u64 mm, bool timed_out) {
  edit(mm).over = 1;
  if (of_hardware() != nullptr) return;  // the monitor has told it
  const u64 table = root(mm);
  edit(mm).root = 0;
  if (table == 0 || timed_out) return;
  broadcast(mm, 0, ~u64{0});
  free_tables(table, 0);
}

std::vector<Processes::Mapping> Processes::mappings(u64 mm) const {
  std::vector<Mapping> found;
  if (!alive(mm)) return found;
  if (of_hardware() != nullptr) return mappings_page_by_page(mm);
  std::vector<Leaf> leaves;
  leaves_in(root(mm), 0, 0, 0, ~u64{0}, leaves);
  for (const Leaf& each : leaves) {
    found.push_back({each.va, output(each.value), each.bytes, rights_of(each.value)});
  }
  return found;
}

// ---- ASIDs --------------------------------------------------------------------------------------

u32 Processes::pin(u64 mm) {
  if (!alive(mm)) return 0;
  Process& process = edit(mm);
  ++process.pins;
  if (process.asid != 0) return static_cast<u32>(process.asid);
  if (preferred_asid_ != 0) {
    process.asid = preferred_asid_;
    for (u32 i = 0; i < free_asids_.size(); ++i) {
      if (free_asids_[i] == preferred_asid_) {
        free_asids_.remove_unordered(monitor_.trail(), i);
        break;
      }
    }
    monitor_.trail().set(preferred_asid_, u64{0});
  } else if (!free_asids_.empty()) {
    process.asid = free_asids_.back();
    free_asids_.pop(monitor_.trail());
  } else if (apart_ && last_asid_ > next_asid_) {
    process.asid = last_asid_;
    monitor_.trail().set(last_asid_, last_asid_ - 1);
  } else {
    process.asid = next_asid_;
    monitor_.trail().set(next_asid_, next_asid_ + 1);
  }
  return static_cast<u32>(process.asid);
}

void Processes::unpin(u64 mm) {
  const Process* process = find(mm);
  if (process == nullptr || process->pins == 0) {
    monitor_.driver_error("mm_unpin of a process that is not pinned");
    return;
  }
  Process& changed = edit(mm);
  if (--changed.pins != 0) return;
  free_asids_.push(monitor_.trail(), changed.asid);
  changed.asid = 0;
}

u64 Processes::pins() const {
  u64 sum = 0;
  for (u32 i = 0; i < processes_.size(); ++i) sum += processes_[i].pins;
  return sum;
}

bool Processes::pinned(u64 mm) const {
  const Process* process = find(mm);
  return process != nullptr && process->pins != 0;
}

u32 Processes::asid(u64 mm) const {
  const Process* process = find(mm);
  return process == nullptr ? 0 : static_cast<u32>(process->asid);
}

void Processes::prefer_asid(u32 asid) {
  for (u64 mm = 1; mm <= count_; ++mm) {
    if (processes_[mm - 1].asid == asid) return;
  }
  monitor_.trail().set(preferred_asid_, u64{asid});
  if (next_asid_ <= asid) monitor_.trail().set(next_asid_, u64{asid} + 1);
}

}  // namespace iommucheck::oracle
