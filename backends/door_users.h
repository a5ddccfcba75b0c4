// SPDX-License-Identifier: MIT
// What users of a backend of others write (iommucheck_user_format): read, and written.
#pragma once

#include "backends/door_backend.h"
#include "monitor/user_words.h"
#include "spec/sva/user_format.h"

namespace iommucheck::oracle {

/// The door and `nonsense` outlive it.
class DoorUserFormat final : public spec::sva::UserFormat {
 public:
  DoorUserFormat(const iommucheck_user_format& format, Nonsense& nonsense)
      : format_(format), nonsense_(nonsense) {}
  [[nodiscard]] std::optional<spec::sva::UserRoute> route(
      const std::array<u64, 2>& structure) const override;
  [[nodiscard]] spec::sva::UserCommand command(const spec::sva::CommandWords& words) const override;
  [[nodiscard]] std::optional<spec::sva::EventWords> event(const spec::sva::EventWords& record,
                                                           u64 number) const override;

 private:
  void tell(std::string text) const;

  const iommucheck_user_format& format_;
  Nonsense& nonsense_;
};

/// The door outlives it.
class DoorUserWords final : public UserWords {
 public:
  explicit DoorUserWords(const iommucheck_user_format& format) : format_(format) {}
  [[nodiscard]] u32 number() const override { return format_.format; }
  [[nodiscard]] bool empties_pages() const override { return true; }
  [[nodiscard]] unsigned levels() const override { return format_.levels; }
  [[nodiscard]] u64 pointer(u64 ipa) const override { return format_.pointer(ipa); }
  [[nodiscard]] u64 leaf(u64 ipa, u32 prot) const override { return format_.leaf(ipa, prot); }
  [[nodiscard]] u64 next(u64 word) const override { return format_.next(word); }
  [[nodiscard]] bool has_entries() const override { return false; }
  [[nodiscard]] std::array<u64, 2> route_to(u64 at) const override;
  [[nodiscard]] bool has_pasids() const override { return format_.entry_words != 0; }
  [[nodiscard]] std::array<u64, 2> route_to_entries(u64 at, u32 lg2) const override;
  [[nodiscard]] unsigned entry_words() const override { return format_.entry_words; }
  [[nodiscard]] EntryWords entry_to(spec::sva::UserEntryKind kind, u64 root) const override;
  [[nodiscard]] u64 number_of(u64 root) const override;
  [[nodiscard]] spec::sva::CommandWords va(u64 va) const override;
  [[nodiscard]] spec::sva::CommandWords page(u64 asid, u64 va, bool ranges, u64 how) const override;
  [[nodiscard]] spec::sva::CommandWords all() const override;
  [[nodiscard]] spec::sva::CommandWords entry(u64 number, u64 pasid) const override;
  [[nodiscard]] spec::sva::CommandWords device(u64 number, std::optional<u64> pasid,
                                               u64 va) const override;
  [[nodiscard]] Event event(const spec::sva::EventWords& words) const override;
  [[nodiscard]] spec::sva::CommandWords all_of_host() const override;
  [[nodiscard]] spec::sva::CommandWords sync() const override;
  [[nodiscard]] spec::sva::CommandWords resume() const override;
  [[nodiscard]] spec::sva::CommandWords reserved() const override { return {~u64{0}, ~u64{0}}; }
  [[nodiscard]] spec::sva::CommandWords drawn(u64 word, std::span<const u64> roots) const override;

 private:
  [[nodiscard]] spec::sva::CommandWords write(u32 what, u64 number = 0, u64 va = 0) const;

  const iommucheck_user_format& format_;
};

}  // namespace iommucheck::oracle
