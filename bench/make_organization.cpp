// make_organization [--name N] [--seed N] [--scale X] [--neighbours N] [--ids]: an organization for measuring, and
// smaller ones beside it, as a script for psql on standard output; with --ids, instead, who they are, as JSON.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/json.h"
#include "bench/organization.h"

namespace {

using namespace tideline;
using namespace tideline::bench;

void describe(JsonWriter& json, const OrganizationSpec& spec) {
  const MadeOrganization made = describe_organization(spec);
  json.begin_object();
  json.key("name").string(spec.name).key("id").string(made.id.to_string()).key("user").string(made.user.to_string());
  json.key("email").string(spec.name + "@example.org").key("version").number(made.version.value);
  json.key("stamp").string(made.stamp.to_string()).key("objects").number(spec.objects);
  json.key("connections").begin_array();
  for (const auto& connection : made.connections) json.string(connection.to_string());
  json.end_array().end_object();
}

}  // namespace

int main(int argc, char** argv) {
  OrganizationSpec spec;
  int neighbours = 20;
  double scale = 1;
  bool ids = false;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--ids") {
      ids = true;
      continue;
    }
    if (i + 1 == argc) {
      std::fprintf(stderr, "%s: a value is missing\n", argv[i]);
      return 2;
    }
    const char* value = argv[++i];
    if (flag == "--name") {
      spec.name = value;
    } else if (flag == "--seed") {
      spec.seed = std::strtoull(value, nullptr, 10);
    } else if (flag == "--scale") {
      scale = std::strtod(value, nullptr);
    } else if (flag == "--neighbours") {
      neighbours = std::atoi(value);
    } else {
      std::fprintf(stderr, "unknown flag %s\n", flag.c_str());
      return 2;
    }
  }
  if (scale != 1) {
    OrganizationSpec scaled = neighbour(spec, 0, scale);
    scaled.connections = spec.connections;
    scaled.name = spec.name;
    spec = scaled;
  }
  if (ids) {
    std::string out;
    JsonWriter json(out);
    json.begin_array();
    describe(json, spec);
    for (int i = 1; i <= neighbours; ++i) describe(json, neighbour(spec, i));
    json.end_array();
    std::printf("%s\n", out.c_str());
    return 0;
  }
  const auto write = [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); };
  write_organization(spec, write);
  for (int i = 1; i <= neighbours; ++i) write_organization(neighbour(spec, i), write);
  return 0;
}
