#include "sync/sessions.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/text.h"

namespace tideline::sync {
namespace {

// Enough of the token's hash to know it again, and of no other use.
std::string token_note(std::string_view token, std::optional<Timestamp> expires_at) {
  if (!expires_at) return {};
  return expires_at->to_string() + " " + hex(sha256(token)).substr(0, 16);
}

}  // namespace

bool Sessions::set(std::vector<SessionRegistration> workspaces) {
  std::vector<Session> now;
  bool any_new = false;
  for (auto& each : workspaces) {
    const auto known = std::find_if(sessions_.begin(), sessions_.end(),
                                    [&](const Session& session) { return session.registration == each; });
    any_new = any_new || known == sessions_.end();
    now.push_back(known == sessions_.end() ? Session{std::move(each)} : std::move(*known));
  }
  sessions_ = std::move(now);
  return any_new;
}

bool Sessions::any() const {
  return std::any_of(sessions_.begin(), sessions_.end(), [](const Session& session) { return !session.id.empty(); });
}

void Sessions::forget() {
  for (Session& session : sessions_) session.id.clear();
}

void Sessions::tell(Api& api, replica::Writer& writer, const replica::WriterState& state, std::string_view status,
                    const std::string& error_message) {
  for (Session& session : sessions_) {
    SessionRegistration registration = session.registration;
    SessionReport report{.status = status, .error_message = error_message, .version = state.version};
    const auto& chosen = session.registration.connections;
    if (registration.all) registration.connections.clear();
    for (const auto& position : state.connections) {
      if (registration.all)
        registration.connections.push_back(position.connection);
      else if (std::find(chosen.begin(), chosen.end(), position.connection) == chosen.end())
        continue;
      report.objects += position.digest.of(Kind::kObject).count;
      report.connections.emplace_back(position.connection, position.version);
    }
    if (session.id.empty() || session.said_connections != registration.connections) {
      auto id = api.register_session(registration);
      // A server that does not answer for one does not for the others.
      if (!id && id.error().trouble == Trouble::kNetwork) return;
      if (!id) continue;
      session.id = std::move(id->id);
      static_cast<void>(writer.note(kTokenNote, token_note(api.target().token, id->token_expires_at)));
      session.said_connections = std::move(registration.connections);
    }
    const auto told = api.update_session(session.id, report);
    // A session that an admin removed is registered again the next time.
    if (!told && told.error().trouble == Trouble::kNotFound) session.id.clear();
    if (!told && told.error().trouble == Trouble::kNetwork) return;
  }
}

std::optional<Timestamp> expiry_in_note(std::string_view note, std::string_view token) {
  const auto expires_at = Timestamp::parse(note.substr(0, note.find(' ')));
  return expires_at && token_note(token, expires_at) == note ? expires_at : std::nullopt;
}

}  // namespace tideline::sync
