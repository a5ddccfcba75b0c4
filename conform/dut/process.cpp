// SPDX-License-Identifier: MIT
#include "conform/dut/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/text.h"
#include "conform/dut/last_words.h"
#include "conform/dut/system_error.h"
#include "trace/json_value.h"

namespace iommucheck::oracle {

namespace {

constexpr int start_ms = 20000;
constexpr const char* install_text =
    "; install it with: apt-get install -y --no-install-recommends qemu-system-arm "
    "(7.2 or newer; it brings qemu-system-aarch64), or name it: --device "
    "qemu:/path/to/qemu-system-aarch64";

/// A unix socket that waits for one connection.
class Listener {
 public:
  Expected<void> open(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) {
      return fail(ErrorCode::environment, path + ": too long for a socket");
    }
    std::memcpy(address.sun_path, path.c_str(), path.size());
    ::unlink(path.c_str());
    socket_ = Descriptor(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket_.is_open() ||
        ::bind(socket_.number(), reinterpret_cast<const sockaddr*>(&address), sizeof address) !=
            0 ||
        ::listen(socket_.number(), 1) != 0) {
      return system_error(path);
    }
    return {};
  }
  /// Nothing if `child` ended or did not connect in time.
  LineSocket accept(pid_t child) const {
    for (int waited = 0; waited < start_ms; waited += 20) {
      pollfd one{.fd = socket_.number(), .events = POLLIN, .revents = 0};
      if (::poll(&one, 1, 20) > 0) {
        return LineSocket(Descriptor(::accept4(socket_.number(), nullptr, nullptr, SOCK_CLOEXEC)));
      }
      siginfo_t info{};
      if (::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
          info.si_pid == child) {
        break;
      }
    }
    return {};
  }

 private:
  Descriptor socket_;
};

}  // namespace

QemuOptions qemu_options(std::string_view device) {
  QemuOptions options;
  const std::size_t colon = device.find(':');
  if (colon == std::string_view::npos) return options;
  std::string_view rest = device.substr(colon + 1);
  bool first = true;
  while (!rest.empty()) {
    const std::size_t space = rest.find(' ');
    const std::string word(rest.substr(0, space));
    rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
    if (word.empty()) continue;
    if (first && word.front() != '-') {
      options.program = word;
    } else {
      options.arguments.push_back(word);
    }
    first = false;
  }
  return options;
}

Expected<std::unique_ptr<QemuProcess>> QemuProcess::start(const QemuOptions& options) {
  std::unique_ptr<QemuProcess> process(new QemuProcess);
  process->options_ = options;
  process->options_.engines = std::clamp(options.engines, 1U, qemu_map::engines_max);
  if (auto made = process->make_files(); !made) return std::unexpected(made.error());
  if (auto made = process->spawn(); !made) return std::unexpected(made.error());
  return process;
}

QemuProcess::~QemuProcess() {
  end();
  if (ram_ != nullptr) ::munmap(ram_, qemu_map::ram_bytes);
  if (!folder_.empty()) {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
}

Expected<void> QemuProcess::make_files() {
  std::error_code error;
  const bool shared = std::filesystem::is_directory("/dev/shm", error);
  std::string pattern =
      (shared ? std::string("/dev/shm") : std::string("/tmp")) + "/iommucheck-qemu-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) return system_error(pattern);
  folder_ = pattern;
  const std::string path = folder_ + "/ram";
  const Descriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!file.is_open()) return system_error(path);
  void* memory = MAP_FAILED;
  if (::ftruncate(file.number(), qemu_map::ram_bytes) == 0) {
    memory =
        ::mmap(nullptr, qemu_map::ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.number(), 0);
  }
  if (memory == MAP_FAILED) return system_error(path);
  ram_ = static_cast<u64*>(memory);
  return {};
}

Expected<void> QemuProcess::spawn() {
  Listener qtest;
  Listener qmp;
  if (auto ok = qtest.open(folder_ + "/qtest"); !ok) return ok;
  if (auto ok = qmp.open(folder_ + "/qmp"); !ok) return ok;
  std::vector<std::string> words = {
      options_.program,
      "-accel",
      "tcg",
      "-icount",
      "shift=0,sleep=off",
      "-cpu",
      "cortex-a57,start-powered-off=on",
      "-M",
      "virt,iommu=smmuv3,highmem=off,memory-backend=ram0",
      "-object",
      "memory-backend-file,id=ram0,size=64M,mem-path=" + folder_ + "/ram,share=on",
      "-nodefaults",
      "-display",
      "none",
      "-qtest",
      "unix:" + folder_ + "/qtest",
      "-qtest-log",
      "none",
      "-qmp",
      "unix:" + folder_ + "/qmp"};
  for (unsigned i = 0; i < options_.engines; ++i) {
    words.emplace_back("-device");
    words.push_back("edu,addr=" + hex(qemu_map::slot_of(i)) + ",dma_mask=0xffffffffffffffff");
  }
  for (const std::string& word : options_.arguments) words.push_back(word);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string log = folder_ + "/stderr";
  const int errors = ::open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) return system_error("fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::setpgid(0, 0);  // Ctrl-C is for whoever started us
    ::dup2(nothing, 0);
    ::dup2(nothing, 1);
    ::dup2(errors, 2);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  ::close(errors);
  ::close(nothing);
  qmp_ = qmp.accept(pid_);
  qtest_ = qmp_.is_open() ? qtest.accept(pid_) : LineSocket();
  if (!qtest_.is_open()) {
    int status = 0;
    const bool ended = ::waitpid(pid_, &status, WNOHANG) == pid_;
    if (ended) pid_ = -1;
    const std::string said = printed();
    end();
    if (ended && WIFEXITED(status) && WEXITSTATUS(status) == 127) {
      return fail(ErrorCode::environment,
                  options_.program + " is not there or cannot be run" + install_text);
    }
    return fail(ErrorCode::environment, options_.program + " does not start" +
                                            (said.empty() ? "" : " (" + said + ")") + install_text);
  }
  return greet();
}

/// QMP's greeting has the version.
Expected<void> QemuProcess::greet() {
  auto line = qmp_.line(start_ms);
  if (!line) return std::unexpected(line.error());
  unsigned number[3] = {};
  if (const auto json = trace::parse_json(*line)) {
    const auto* qmp = json->find("QMP");
    const auto* version = qmp == nullptr ? nullptr : qmp->value.find("version");
    const auto* qemu = version == nullptr ? nullptr : version->value.find("qemu");
    const char* names[] = {"major", "minor", "micro"};
    for (unsigned i = 0; qemu != nullptr && i < 3; ++i) {
      if (const auto* part = qemu->value.find(names[i])) {
        number[i] = static_cast<unsigned>(part->value.number);
      }
    }
  }
  if (number[0] * 100 + number[1] < 702) {
    return fail(ErrorCode::environment, options_.program + " is version " +
                                            std::to_string(number[0]) + "." +
                                            std::to_string(number[1]) + ", too old" + install_text);
  }
  version_ =
      std::to_string(number[0]) + "." + std::to_string(number[1]) + "." + std::to_string(number[2]);
  qmp_.add(R"({"execute":"qmp_capabilities"})");
  if (auto sent = qmp_.flush(start_ms); !sent) return sent;
  if (auto answer = qmp_.line(start_ms); !answer) return std::unexpected(answer.error());
  return {};
}

Expected<std::string> QemuProcess::interrupt_controller() {
  const std::string at = "/machine/unattached";
  qmp_.add(R"({"execute":"qom-list","arguments":{"path":")" + at + "\"}}");
  if (auto sent = qmp_.flush(start_ms); !sent) return std::unexpected(sent.error());
  for (unsigned lines = 0; lines < 100; ++lines) {
    auto line = qmp_.line(start_ms);
    if (!line) return std::unexpected(line.error());
    const auto json = trace::parse_json(*line);
    const auto* list = json ? json->find("return") : nullptr;
    if (list == nullptr) continue;  // what happened meanwhile
    for (const trace::JsonValue& one : list->value.items) {
      const auto* type = one.find("type");
      const auto* name = one.find("name");
      if (type != nullptr && name != nullptr && type->value.text == "child<arm_gic>") {
        return at + "/" + name->value.text;
      }
    }
    break;
  }
  return fail(ErrorCode::environment, options_.program + ": its machine has no arm_gic");
}

Expected<void> QemuProcess::system_reset() {
  qmp_.add(R"({"execute":"system_reset"})");
  if (auto sent = qmp_.flush(start_ms); !sent) return sent;
  bool returned = false;
  bool reset = false;
  for (unsigned lines = 0; lines < 100 && !(returned && reset); ++lines) {
    auto line = qmp_.line(start_ms);
    if (!line) return std::unexpected(line.error());
    returned |= line->find("\"return\"") != std::string_view::npos;
    reset |= line->find("\"RESET\"") != std::string_view::npos;
  }
  return {};
}

Expected<void> QemuProcess::restart() {
  end();
  return spawn();
}

void QemuProcess::end() {
  qtest_.close();
  qmp_.close();
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  int status = 0;
  while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  pid_ = -1;
}

std::string QemuProcess::printed() const {
  std::ifstream file(folder_ + "/stderr");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return last_lines(text);
}

std::optional<std::string> QemuProcess::post_mortem() {
  if (pid_ <= 0) return "it was never started";
  int status = 0;
  for (int i = 0; i < 100; ++i) {  // the socket closes a moment before
    const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
    if (ended == pid_) {
      pid_ = -1;
      const std::string said = printed();
      std::string text = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) + " (" +
                                                   ::strsignal(WTERMSIG(status)) + ")"
                                             : "exit status " + std::to_string(WEXITSTATUS(status));
      if (!said.empty()) text += "\n" + said;
      return text;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return std::nullopt;
}

}  // namespace iommucheck::oracle
