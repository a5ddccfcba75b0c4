// SPDX-License-Identifier: MIT
// The objects of an SMMU as memory says them now, drawn as text: stream table, STEs, CDs, tables.
// Read from memory itself and from nothing that a driver, an interface or a cache says; beside each
// word stands what else may be seen of it, and beside each mapping what the calls have promised.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "explain/notes.h"
#include "explain/text.h"
#include "monitor/monitor.h"

namespace iommucheck::oracle {

struct DrawOptions {
  std::optional<u32> sid;     ///< only this stream
  std::optional<u32> number;  ///< only this SubstreamID; without it the RID's and all PASIDs
  u64 lines_max = 200;        ///< of mappings, for one address space
  /// Processes that whoever drew them knows by their numbers, for the names of spaces.
  std::vector<u64> processes{};
};

/// Where a table of mappings begins (TTB0), and at which PASID of a stream, or without one.
struct TableInMemory {
  spec::sva::Substream at;
  u64 root = 0;
};

class MemoryDrawing {
 public:
  MemoryDrawing(Monitor& monitor, const DrawOptions& options);
  /// The whole picture. Once.
  [[nodiscard]] std::string draw();
  /// What STE and CDs of the stream lead to, ascending: only what memory says, nothing of caches.
  [[nodiscard]] std::vector<TableInMemory> tables(u32 sid);

 private:
  /// A structure of eight words, as memory says it now.
  struct Structure {
    u64 place = 0;
    std::array<u64, spec::ste_words> words{};
    bool unknown = false;  ///< some word of it was never stored
    bool used = false;     ///< some word is not zero
  };
  /// Mappings of neighbouring addresses that lead on in one piece.
  struct Run {
    u64 va = 0, bytes = 0, pa = 0, word = 0, origin = 0;
    std::string rights;
    std::string remark;  ///< what was promised, where it is not this
  };
  struct Space {
    u32 sid = 0;
    spec::sva::Substream at;
    spec::Regime<u64> regime;
    unsigned half = 0;
    bool below_users = false;  ///< of intermediate addresses, which no call promises to a device
    u64 lines = 0;             ///< of mappings, printed so far
    u64 words = u64{1} << 22;  ///< that may still be looked at: tables may lead to themselves
    std::optional<Run> run;
  };

  // draw_configuration.cpp
  void stream_table();
  void stream(u32 sid);
  [[nodiscard]] std::optional<u64> ste_place(u32 sid);
  [[nodiscard]] std::optional<spec::Ste<u64>> stage1_ste(u32 sid);
  void structure(const Structure& what, u32 sid, u32 ssid, bool is_cd);
  void find_leads(const std::set<u32>& sids);
  void pasid_table(u32 sid, const spec::Ste<u64>& ste);
  void stage2_tables(u32 sid, const spec::Ste<u64>& ste, bool below_users);
  [[nodiscard]] std::string whose(u32 sid, spec::sva::Substream at) const;
  void substreams(u32 sid, const spec::Ste<u64>& ste);
  void substream(u32 sid, const spec::Ste<u64>& ste, u32 number, bool present);
  [[nodiscard]] std::optional<u64> cd_place(u32 sid, const spec::Ste<u64>& ste, u32 number,
                                            bool say);
  [[nodiscard]] std::vector<u32> numbers_in_use(u32 sid, const spec::Ste<u64>& ste);
  [[nodiscard]] Structure read(u64 place) const;
  void say_where_nothing_is_promised(u32 sid, spec::sva::Substream at, unsigned indent);
  // draw_tables.cpp
  void space(Space space);
  void table(Space& space, u64 address, unsigned level, u64 entries, u64 va,
             const spec::HierarchicalAttributes<u64>& above);
  void entry(Space& space, u64 pa, unsigned level, u64 va,
             const spec::HierarchicalAttributes<u64>& above);
  void mapping(Space& space, Run run);
  void end_run(Space& space);
  bool room(Space& space);
  void hidden_tables();
  [[nodiscard]] std::string tag_text(u32 tag) const;
  void atcs(u32 sid);

  Monitor& monitor_;
  const spec::Caches& caches_;
  DrawOptions options_;
  WordNotes notes_;
  Lines lines_;
  std::vector<spec::Tag<u64>> tags_;               ///< of the spaces drawn
  std::set<u64> drawn_tables_;                     ///< frames
  std::map<u64, std::vector<std::string>> leads_;  ///< to tables of CDs: streams
  std::map<std::string, u32> drawn_;  ///< what PASID tables look like -> the first stream's
};

/// The monitor of the SMMU that the stream's device is behind.
Monitor& monitor_of_stream(Monitor& monitor, u32 sid);

/// The whole picture; of several SMMUs, each one's.
std::string draw_memory(Monitor& monitor, const DrawOptions& options);

}  // namespace iommucheck::oracle
