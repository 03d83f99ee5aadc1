// SPDX-License-Identifier: MIT
#include "kernels/cuda/emulation/block.h"

#include <utility>

#include "kernels/core/error.h"

namespace nasengine::cuda::emulation {
namespace {

// What a fiber does one after another has an order, which threads of two blocks have not: each
// block begins with others.
constexpr std::size_t kSpareFibers = kRacesAreWatched ? 37 : 0;

std::string Text(const dim3& index) {
  return StrCat("(", index.x, ", ", index.y, ", ", index.z, ")");
}
std::string Text(const Place& place) { return StrCat(place.file, ":", place.line); }

std::string Hexadecimal(unsigned mask) {
  std::ostringstream out;
  out << "0x" << std::hex << mask;
  return out.str();
}

}  // namespace

void Block::Resize(const dim3& size, const GridLaunch& launch) {
  launch_ = &launch;
  failure_.clear();
  count_ = std::size_t{size.x} * size.y * size.z;
  if (threads_.size() < count_) threads_.resize(count_);
  while (fibers_.size() < count_ + kSpareFibers) fibers_.push_back(std::make_unique<Fiber>());
  warps_.resize((count_ + kLanes - 1) / kLanes);
  std::size_t i = 0;
  for (unsigned z = 0; z < size.z; ++z) {
    for (unsigned y = 0; y < size.y; ++y) {
      for (unsigned x = 0; x < size.x; ++x) threads_[i++].index = dim3(x, y, z);
    }
  }
}

void Block::StartThreads() {
  shared_.StartBlock(launch_->shared_bytes);
  meeting_.Clear();
  for (Warp& warp : warps_) {
    warp.waiting = 0;
    warp.absent = 0;
    if constexpr (kRacesAreWatched) warp.groups.clear();
  }
  if (count_ % kLanes != 0) warps_.back().absent = ~0u << count_ % kLanes;
  for (std::size_t i = 0; i < count_; ++i) {
    Thread& thread = threads_[i];
    thread.status = Status::kReady;
    thread.copies.Clear();
    thread.fiber = fibers_[(first_fiber_ + i) % fibers_.size()].get();
    thread.fiber->Start(entry_, const_cast<GridLaunch*>(launch_), i);
  }
  first_fiber_ += kSpareFibers;
}

void Block::Run(Order& order) {
  StartThreads();
  order.Fill(turns_, count_);
  while (true) {
    bool ran = false;
    for (const std::uint32_t i : turns_) {
      Thread& thread = threads_[i];
      if (thread.status != Status::kReady) continue;
      ran = true;
      current_ = i;
      running.thread = thread.index;
      running.lane = static_cast<int>(i % kLanes);
      thread.fiber->Resume();
      if (thread.status == Status::kAtWarp) ReleaseWarp(i);
      if (!failure_.empty()) return;
    }
    if (!ran && !ReleaseBlock()) return;
    if (order.random()) order.Fill(turns_, count_);
  }
}

void Block::Abandon() {
  for (std::size_t i = 0; i < count_; ++i) {
    if (threads_[i].status != Status::kDone) threads_[i].fiber->Abandon();
  }
}

void Block::SyncBlock(Place place) { WaitAs(Status::kAtBlock, place, meeting_); }

void Block::DoAsWarp(unsigned mask, LanePart& own, WarpOperation operation, Place place) {
  if ((mask >> running.lane & 1) == 0) {
    Fault(StrCat("lane ", running.lane, " is not in the mask ", Hexadecimal(mask), " it names"),
          place);
    Stop();
  }
  Meeting* meeting = nullptr;
  {
    const Unwatched unwatched;
    Thread& thread = current();
    thread.mask = mask;
    thread.part = &own;
    thread.operation = operation;
    meeting = &MeetingOf(warps_[current_ / kLanes], mask);
  }
  WaitAs(Status::kAtWarp, place, *meeting);
}

void Block::WaitAs(Status status, Place place, Meeting& meeting) {
  Thread& own = current();
  void* at = nullptr;
  {
    const Unwatched unwatched;
    own.status = status;
    own.place = place;
    at = meeting.Arrive();
  }
  own.fiber->Leave();
  Acquire(at);
}

void Block::End() {
  const Unwatched unwatched;
  current().status = Status::kDone;
  warps_[current_ / kLanes].absent |= 1u << current_ % kLanes;
}

void Block::Fault(const std::string& what, Place place) {
  const Unwatched unwatched;
  Record(current_, place, what);
  current().status = Status::kFailed;
}

void Block::Stop() {
  while (true) current().fiber->Leave();
}

Meeting& Block::MeetingOf(Warp& warp, unsigned mask) {
  // Which lanes wait for which others is of interest to the thread sanitizer alone.
  const unsigned key = kRacesAreWatched ? mask : 0;
  for (Group& group : warp.groups) {
    if (group.mask == key) return group.meeting;
  }
  warp.groups.push_back({key, Meeting()});
  warp.groups.back().meeting.Clear();
  return warp.groups.back().meeting;
}

// Makes what thread `asking` waits for, if all of its mask wait for the same.
void Block::ReleaseWarp(std::size_t asking) {
  Warp& warp = warps_[asking / kLanes];
  const std::size_t first = asking / kLanes * kLanes;
  Thread& own = threads_[asking];
  warp.waiting |= 1u << asking % kLanes;
  if ((own.mask & warp.absent) != 0) {
    Record(asking, own.place, WhyWarpWaits(asking));
    return;
  }
  if ((own.mask & ~warp.waiting) != 0) return;
  LaneParts parts{};
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    if ((own.mask >> lane & 1) == 0) continue;
    Thread& other = threads_[first + lane];
    if (other.mask != own.mask || other.operation != own.operation || !(other.place == own.place)) {
      Record(asking, own.place, WhyWarpWaits(asking));
      return;
    }
    parts[lane] = other.part;
    other.status = Status::kReady;
  }
  warp.waiting &= ~own.mask;
  MeetingOf(warp, own.mask).Pass();
  own.operation(own.mask, parts);
}

// Lets all threads go on if all wait for the block; false where the block is done or stuck.
bool Block::ReleaseBlock() {
  const Thread* first = nullptr;
  bool all_wait = true;
  for (std::size_t i = 0; i < count_; ++i) {
    const Thread& thread = threads_[i];
    if (thread.status == Status::kAtWarp) {
      Record(i, thread.place, WhyWarpWaits(i));
      return false;
    }
    if (thread.status != Status::kAtBlock ||
        (first != nullptr && !(thread.place == first->place))) {
      all_wait = false;
    } else if (first == nullptr) {
      first = &thread;
    }
  }
  if (first == nullptr) return false;
  if (!all_wait) {
    Record(count_, first->place, WhyBlockWaits());
    return false;
  }
  for (std::size_t i = 0; i < count_; ++i) threads_[i].status = Status::kReady;
  meeting_.Pass();
  return true;
}

std::string Block::WhyWarpWaits(std::size_t asking) const {
  const Thread& own = threads_[asking];
  const std::size_t first = asking / kLanes * kLanes;
  const std::string text =
      StrCat("waits for the lanes ", Hexadecimal(own.mask), ", of which lane ");
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    if ((own.mask >> lane & 1) == 0) continue;
    if (first + lane >= count_) return StrCat(text, lane, " has no thread");
    const Thread& other = threads_[first + lane];
    if (other.status == Status::kDone) return StrCat(text, lane, " has ended");
    if (other.status == Status::kAtBlock) {
      return StrCat(text, lane, " waits for the block at ", Text(other.place));
    }
    if (other.status == Status::kAtWarp && !(other.place == own.place)) {
      return StrCat(text, lane, " waits at ", Text(other.place));
    }
    if (other.status == Status::kAtWarp && other.mask != own.mask) {
      return StrCat(text, lane, " names ", Hexadecimal(other.mask));
    }
  }
  return "waits for a warp that never comes";
}

std::string Block::WhyBlockWaits() const {
  std::vector<std::pair<Place, std::size_t>> places;
  std::size_t ended = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const Thread& thread = threads_[i];
    if (thread.status == Status::kDone) {
      ++ended;
      continue;
    }
    auto at = places.begin();
    while (at != places.end() && !(at->first == thread.place)) ++at;
    if (at == places.end()) at = places.insert(at, {thread.place, 0});
    ++at->second;
  }
  std::string text = StrCat("barrier divergence, of ", count_, " threads");
  for (const auto& [place, waiting] : places) {
    text += StrCat(" ", waiting, " wait at ", Text(place), ",");
  }
  return StrCat(text, " ", ended, " have ended");
}

// Of thread number `thread`, or of all.
void Block::Record(std::size_t thread, Place place, const std::string& what) {
  if (!failure_.empty()) return;
  failure_ = StrCat("kernel ", launch_->kernel, ", block ", Text(running.block));
  if (thread < count_) failure_ += StrCat(", thread ", Text(threads_[thread].index));
  failure_ += StrCat(", ", Text(place), ": ", what);
}

}  // namespace nasengine::cuda::emulation
