// SPDX-License-Identifier: MIT
// Which access each event record is of. A record does not say so, and some say neither address nor
// direction; so records and accesses are assigned together, at the least difference in all, and
// never one record after the other. IHI 0070 7.3.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spec/smmu/event_record.h"
#include "trace/event.h"

namespace iommucheck::oracle {

/// What the record of an access may say.
struct RecordClaim {
  struct Permitted {
    spec::EventType type = spec::EventType::none;
    spec::EventFields fields;
  };
  std::vector<Permitted> permitted;  ///< it may be one of these
  spec::EventFields fields;          ///< of a record of any other type
  bool any_type = false;             ///< what it meets is not restricted
  bool any_stall = false;            ///< nor whether it waits then
  bool surely = false;               ///< it has a record, and nothing allows it to have none
  bool wrong = false;                ///< it should have passed: some record says why it did not
  u64 since = 0;                     ///< how many accesses came before it

  [[nodiscard]] bool permits(spec::EventType type) const {
    return any_type || std::ranges::find(permitted, type, &Permitted::type) != permitted.end();
  }
};

struct SeenRecord {
  trace::EventRecord words{};
  u64 before = 0;        ///< how many accesses there were when it was seen: it is of one of these
  bool repeats = false;  ///< says an address, and there was such a record before it
};

class RecordMatching {
 public:
  /// So many of each are assigned together; what is more cannot be.
  static constexpr std::size_t most = 256;

  /// For each record the number of its claim; nothing for one that is of no access. Both in the
  /// order of time, at most `most` of each.
  [[nodiscard]] std::vector<std::optional<std::size_t>> assign(
      const std::vector<SeenRecord>& records, const std::vector<RecordClaim>& claims) const;

  /// A record of that claim came: which of its fields are right and wrong is kept in mind. A field
  /// that the device gets wrong again and again says nothing any more about whose a record is.
  void learn(const RecordClaim& claim, const trace::EventRecord& words);

  /// The fields in which the record is not one of that access, its type left aside.
  static std::vector<spec::FieldDifference> wrong_fields(const RecordClaim& claim,
                                                         const trace::EventRecord& words);

 private:
  [[nodiscard]] bool unreliable(std::string_view field) const;
  [[nodiscard]] std::int64_t difference(const RecordClaim& claim, const SeenRecord& record) const;

  std::map<std::string, u64, std::less<>> wrong_;  // how often each field was
  u64 records_ = 0;
};

}  // namespace iommucheck::oracle
