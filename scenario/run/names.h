// SPDX-License-Identifier: MIT
// What the names and numbers of a scenario stand for while it runs.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "scenario/format/ast.h"
#include "scenario/run/subject.h"
#include "spec/sva/call.h"

namespace iommucheck::oracle::stories {

/// A result that was given a name.
struct Named {
  u64 value = 0;
  spec::sva::CallKind kind{};  ///< the call that gave it
};

class Names {
 public:
  Names(const World& world, bool exact_pasids) : world_(world), exact_(exact_pasids) {}

  /// Number, page with offset, or a named result; nullopt: the name has no value (the call that
  /// would have given it failed).
  [[nodiscard]] std::optional<u64> value(const scenario::Value& value) const;
  [[nodiscard]] const Named* find(std::string_view name) const;
  void set(const std::string& name, Named named) { named_[name] = named; }
  [[nodiscard]] const std::map<std::string, Named>& all() const { return named_; }

  [[nodiscard]] std::optional<u64> process(std::string_view name) const;
  void set_process(const std::string& name, u64 mm) { processes_[name] = mm; }
  [[nodiscard]] const std::map<std::string, u64>& processes() const { return processes_; }

  // PASID numbers are names from the first result that shows them.
  /// What a scenario's number stands for; one that is not in use if nothing has shown it.
  [[nodiscard]] u32 pasid(u64 written) const;
  /// The same of a name or number.
  [[nodiscard]] std::optional<u32> pasid(const scenario::Value& value) const;
  /// The number that the scenario has for an observed one.
  [[nodiscard]] u64 written_pasid(u32 observed) const;
  /// Whether the two may be the same number, which they are from now on.
  bool same_pasid(u64 written, u32 observed);

  // Group numbers of faults at a device's PASID are names as well.
  struct GroupName {
    u32 device = 0;
    u32 pasid = 0;
    u64 written = 0;
    auto operator<=>(const GroupName&) const = default;
  };
  /// What a scenario's number stands for; one that was not seen if nothing has shown it.
  [[nodiscard]] u32 group(const GroupName& name) const;
  /// Whether the two may be the same group, which they are from now on.
  bool same_group(const GroupName& name, u32 observed);
  /// It was answered: the device, and so a scenario, may give its number to another one. So may the
  /// driver.
  void group_ended(u32 device, u32 observed);
  /// The others have ended as well, by their bond's end, say, or their queue's.
  void keep_groups(const std::function<bool(const GroupName& name, u32 observed)>& waits);
  /// Number of a device; nullopt: no device has the name.
  [[nodiscard]] std::optional<u32> device(std::string_view name) const;
  [[nodiscard]] std::string device_name(u32 device) const;

  /// "0x2000 (P1+0x10)": an address with the page that it is in.
  [[nodiscard]] std::string address_text(u64 pa) const;

 private:
  const World& world_;
  bool exact_;
  std::map<std::string, Named> named_;
  std::map<std::string, u64> processes_;
  std::map<u64, u32> observed_;
  struct Group {
    u32 observed = 0;
    bool ended = false;
  };
  std::map<GroupName, Group> groups_;
};

}  // namespace iommucheck::oracle::stories
