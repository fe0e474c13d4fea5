#include "sync/choose.h"

#include <algorithm>

#include "base/text.h"
#include "model/repository_name.h"

namespace tideline::sync {

std::string shown_name(const ServerConnection& connection) {
  return connection.subdir.empty() ? connection.full_name : connection.full_name + "//" + connection.subdir;
}

std::string own_name(const ServerConnection& connection, const std::vector<ServerConnection>& all) {
  const auto same = std::count_if(all.begin(), all.end(), [&](const ServerConnection& each) {
    return equal_ignoring_case(shown_name(each), shown_name(connection));
  });
  return same > 1 ? connection.type + ":" + shown_name(connection) : shown_name(connection);
}

Answer<Choice> match_workspace(Api& api, const Workspace& workspace) {
  Choice choice;
  const auto take = [&choice](const std::vector<ServerConnection>& matched, const std::string& why) {
    for (const auto& connection : matched) choice.chosen.push_back({connection.id, shown_name(connection), why});
  };
  bool first = true;
  for (const WorkspaceName& name : workspace.names) {
    TRY(auto answer, api.match_workspace(name.identifier));
    take(answer.matched, name.origin);
    if (!choice.chosen.empty()) return choice;
    const auto scheme = name.identifier.find("://");
    const auto cut = name.identifier.find("//", scheme == std::string::npos ? 0 : scheme + 3);
    if (cut != std::string::npos) {
      TRY(auto whole, api.match_workspace(name.identifier.substr(0, cut)));
      std::erase_if(whole.matched, [](const ServerConnection& each) { return !each.subdir.empty(); });
      take(whole.matched, name.origin + ", which is registered as a whole");
      if (!choice.chosen.empty()) return choice;
    }
    // What the likeliest name suggests is what a person should see.
    if (first || choice.suggested.empty()) {
      choice.suggested = std::move(answer.suggested);
      choice.other = std::move(answer.other);
    }
    first = false;
  }
  return choice;
}

Result<std::vector<ChosenConnection>> choose_by_hand(const std::vector<ServerConnection>& connections,
                                                     const std::vector<std::string>& wanted) {
  std::vector<ChosenConnection> chosen;
  for (const std::string& text : wanted) {
    std::vector<const ServerConnection*> found;
    const RepositoryName name = repository_name(text);
    const auto collect = [&](auto&& is_meant) {
      if (!found.empty()) return;
      for (const auto& each : connections)
        if (is_meant(each)) found.push_back(&each);
    };
    collect([&](const auto& each) { return each.id.to_string() == ascii_lower(text); });
    collect([&](const auto& each) { return equal_ignoring_case(shown_name(each), text); });
    collect([&](const auto& each) { return equal_ignoring_case(each.type + ":" + shown_name(each), text); });
    collect([&](const auto& each) {
      return repository_name(each.full_name).path == name.path &&
             (name.subdir.empty() || equal_ignoring_case(each.subdir, name.subdir));
    });
    collect([&](const auto& each) { return equal_ignoring_case(each.name, text); });
    if (found.empty())
      return fail(Code::kInvalidInput, "there is no connection \"" + text + "\" in this organization",
                  "tideline connections lists them");
    if (found.size() > 1) {
      std::string names;
      for (const auto* each : found) names += (names.empty() ? "" : ", ") + own_name(*each, connections);
      return fail(Code::kInvalidInput, "\"" + text + "\" could be each of " + names, "say which, as it stands here");
    }
    const bool again = std::any_of(chosen.begin(), chosen.end(), [&](const auto& c) { return c.id == found[0]->id; });
    if (!again) chosen.push_back({found[0]->id, own_name(*found[0], connections), "chosen by hand"});
  }
  return chosen;
}

}  // namespace tideline::sync
