#include "server/rights.h"

namespace tideline::server {

Rights Rights::of_role(std::string_view role) {
  Rights rights;
  if (role == "member" || role == "admin") rights.add(Right::kRead);
  if (role == "admin") rights.add(Right::kPush).add(Right::kDocument).add(Right::kAdminister);
  return rights;
}

Rights Rights::of_scopes(const std::vector<std::string>& scopes) {
  Rights rights;
  for (const std::string& scope : scopes) {
    if (scope == "read") rights.add(Right::kRead);
    if (scope == "push") rights.add(Right::kPush).add(Right::kDocument);
    if (scope == "documentation") rights.add(Right::kDocument);
  }
  return rights;
}

std::string_view what_it_takes(Right right) {
  switch (right) {
    case Right::kPublic:
      return "nothing";
    case Right::kRead:
      return "membership, or an API token with the scope read";
    case Right::kPush:
      return "the role admin, or an API token with the scope push";
    case Right::kDocument:
      return "the role admin, or an API token with the scope documentation or push";
    case Right::kAdminister:
      return "the role admin";
  }
  return "";
}

}  // namespace tideline::server
