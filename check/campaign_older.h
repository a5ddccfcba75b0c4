// SPDX-License-Identifier: MIT
// What an earlier version of iommucheck has left in a campaign's folder. Sequences of a seed are
// others in each version, so its slices count no more; but its corpus, and what its findings'
// traces hold, are sequences that this version runs as well: lines of operations, or of a codec
// that is still known. So nothing is converted in place: the files go to older/VERSION/ as they
// are, one by one, and what can be read of them is run as one slice. What cannot is told each time.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "check/given.h"

namespace iommucheck::oracle {

struct OlderCorpus {
  std::string folder;   ///< older/VERSION of the campaign's
  std::string version;  ///< the folder's name
  std::string id;       ///< VERSION-HASH, of its sequences
  std::vector<GivenCase> cases;
  std::vector<std::string> unread;  ///< files and sequences that cannot be read, in words
};

/// Everything that slices have left goes to older/VERSION. Whenever that is cut short it goes on.
Expected<void> set_aside(const std::string& campaign, const std::string& version);
/// Of each older/VERSION, in the order of their names. environment if they cannot be listed.
Expected<std::vector<OlderCorpus>> read_older(const std::string& campaign);
/// The name of the file of the slice that is made of it, by its id.
std::string slice_name_of_older(const std::string& id);
/// Whether a later version that has gone too had it as a slice.
bool was_converted(const std::string& campaign, const OlderCorpus& corpus);
/// The greatest seed of slices that were set aside.
std::optional<u64> last_seed_of_older(const std::string& campaign);

}  // namespace iommucheck::oracle
