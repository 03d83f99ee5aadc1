// Whole-file reading and atomic writing over POSIX calls, which report causes that streams hide.
// SPDX-License-Identifier: MIT
#include "kernels/core/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "kernels/core/error.h"

namespace nasengine {
namespace {

// Closes on every way out; Close() reports what the kernel only says at closing time.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  bool Close() {
    const int fd = fd_;
    fd_ = -1;
    return ::close(fd) == 0;
  }

 private:
  int fd_;
};

[[noreturn]] void ThrowIo(const std::string& path, const char* what, int error) {
  Throw(error == ENOENT && std::strcmp(what, "read") == 0 ? ErrorCode::kNotFound : ErrorCode::kIo,
        path, ": cannot ", what, " the file: ", std::strerror(error));
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// A rename survives a power cut only once its folder is synced; file systems that cannot sync a
// folder say EINVAL, and there is nothing more to do about it then.
void SyncFolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string folder =
      slash == std::string::npos ? "." : (slash == 0 ? "/" : path.substr(0, slash));
  const FileDescriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.ok() && ::fsync(fd.get()) != 0 && errno != EINVAL) ThrowIo(path, "sync", errno);
}

}  // namespace

std::string ReadFile(const std::string& path) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.ok()) ThrowIo(path, "read", errno);
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) ThrowIo(path, "read", errno);
  std::string bytes;
  if (S_ISREG(info.st_mode)) bytes.reserve(static_cast<size_t>(info.st_size));
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = ::read(fd.get(), buffer, sizeof(buffer));
    if (count == 0) return bytes;
    if (count < 0) {
      if (errno == EINTR) continue;
      ThrowIo(path, "read", errno);
    }
    bytes.append(buffer, static_cast<size_t>(count));
  }
}

void WriteFileAtomically(const std::string& path, std::string_view bytes) {
  const std::string temporary = StrCat(path, ".tmp-", ::getpid());
  FileDescriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
  if (!fd.ok()) ThrowIo(path, "write", errno);
  if (!WriteAll(fd.get(), bytes) || ::fsync(fd.get()) != 0 || !fd.Close() ||
      std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    ::unlink(temporary.c_str());
    ThrowIo(path, "write", error);
  }
  SyncFolderOf(path);
}

}  // namespace nasengine
