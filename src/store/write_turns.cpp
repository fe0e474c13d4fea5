#include "store/write_turns.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <unordered_map>

#include "pg/gate.h"

namespace tideline::store {
namespace {

// As long as the database lets one wait for the head itself.
constexpr std::chrono::seconds kPatience{10};

}  // namespace

struct WriteTurns::Lines {
  using Gate = std::shared_ptr<pg::Gate>;

  std::mutex mutex;
  std::unordered_map<OrganizationId, std::deque<Gate>> waiting;  // the first of each is the one whose turn it is

  /// True: it is its turn at once.
  bool join(OrganizationId organization, const Gate& gate) {
    const std::lock_guard lock(mutex);
    auto& line = waiting[organization];
    line.push_back(gate);
    return line.size() == 1;
  }

  void leave(OrganizationId organization, const Gate& gate) {
    const std::lock_guard lock(mutex);
    const auto line = waiting.find(organization);
    const bool was_first = line->second.front() == gate;
    std::erase(line->second, gate);
    if (line->second.empty()) {
      waiting.erase(line);
    } else if (was_first) {
      line->second.front()->open();
    }
  }
};

/// A place in a line, left when it is destroyed: after the turn, or when whoever waits gives up or is cancelled.
struct WriteTurns::Turn::Place {
  Place(std::shared_ptr<Lines> all, OrganizationId whose, std::shared_ptr<pg::Gate> own)
      : lines(std::move(all)), organization(whose), gate(std::move(own)) {}
  ~Place() { lines->leave(organization, gate); }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;

  std::shared_ptr<Lines> lines;
  OrganizationId organization;
  std::shared_ptr<pg::Gate> gate;
};

WriteTurns::WriteTurns() : lines_(std::make_shared<Lines>()) {}

awaitable<Result<WriteTurns::Turn>> WriteTurns::wait(OrganizationId organization, Deadline deadline) {
  auto gate = std::make_shared<pg::Gate>();
  const bool at_once = lines_->join(organization, gate);
  Turn turn(std::make_shared<Turn::Place>(lines_, organization, gate));
  if (at_once || co_await pg::Gate::wait(gate, std::min(deadline, within(kPatience)))) co_return std::move(turn);
  co_return fail(Code::kUnavailable, "Another write to this organization takes long.", "Try again in a moment.");
}

}  // namespace tideline::store
