// SPDX-License-Identifier: MIT
#include "conform/known_of_device.h"

#include <utility>

namespace iommucheck::oracle {

Expected<KnownOfDevice> KnownOfDevice::of(const DeviceIdentity& identity, const std::string& path) {
  KnownOfDevice known;
  known.file_.subject = identity.name;
  known.file_.version = identity.version;
  if (path.empty()) return known;
  auto file = read_known(path, KnownFile::Subject::device);
  if (!file) return std::unexpected(file.error());
  if (file->subject != identity.name ||
      !(identity.version + ".").starts_with(file->version + ".")) {
    return fail(ErrorCode::bad_input, path + ": is for " + file->subject + " " + file->version +
                                          ", the device is " + identity.name + " " +
                                          identity.version);
  }
  known.file_ = std::move(*file);
  auto cases = KnownCases::of(known.file_);
  if (!cases) return std::unexpected(cases.error());
  known.cases_ = std::move(*cases);
  return known;
}

const KnownFinding* KnownOfDevice::excuse(const Divergence& found) const {
  const KnownFinding* known = file_.find(found.rule, found.called);
  return known == nullptr || expired(*known) ? nullptr : known;
}

}  // namespace iommucheck::oracle
