// SPDX-License-Identifier: MIT
// A qemu-system-aarch64 process with an SMMUv3, edu devices and no running CPU: its qtest and QMP
// sockets, and its RAM as memory of this process.
#pragma once

#include <sys/types.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "conform/dut/qemu_map.h"
#include "conform/dut/socket.h"

namespace iommucheck::oracle {

struct QemuOptions {
  std::string program = "qemu-system-aarch64";
  std::vector<std::string> arguments;  ///< further ones
  unsigned engines = 5;                ///< 1 to engines_max
};

/// "qemu", "qemu:/path/to/qemu-system-aarch64", "qemu:-L /folder", "qemu:/path -L /folder".
QemuOptions qemu_options(std::string_view device);

class QemuProcess {
 public:
  /// Starts it and waits for both sockets. Errors: environment, saying what to install.
  static Expected<std::unique_ptr<QemuProcess>> start(const QemuOptions& options);
  ~QemuProcess();
  QemuProcess(const QemuProcess&) = delete;
  QemuProcess& operator=(const QemuProcess&) = delete;

  LineSocket& qtest() { return qtest_; }
  [[nodiscard]] const std::string& version() const { return version_; }
  [[nodiscard]] unsigned engines() const { return options_.engines; }
  [[nodiscard]] u64* ram() const { return ram_; }
  /// Path of the machine's interrupt controller, for qtest. Errors: environment: it has none.
  Expected<std::string> interrupt_controller();
  /// The machine's reset; returns when it is done.
  Expected<void> system_reset();
  /// A new process with the same RAM.
  Expected<void> restart();
  /// How it ended ("signal 6 (Aborted)", and in a further line what it printed last); reaps it.
  /// Nothing: it still runs.
  std::optional<std::string> post_mortem();

 private:
  QemuProcess() = default;
  Expected<void> make_files();
  Expected<void> spawn();
  Expected<void> greet();
  void end();
  std::string printed() const;

  QemuOptions options_;
  std::string folder_;
  std::string version_;
  pid_t pid_ = -1;
  LineSocket qtest_;
  LineSocket qmp_;
  u64* ram_ = nullptr;
};

}  // namespace iommucheck::oracle
