#include "http/digest_field.h"

#include <gtest/gtest.h>

namespace tideline::http {
namespace {

TEST(UnencodedDigest, IsThatOfTheBodyInTheFormOfRfc9530) {
  // RFC 9530, appendix B.1.
  EXPECT_EQ(unencoded_digest("{\"hello\": \"world\"}\n"), "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:");
  EXPECT_EQ(unencoded_digest(R"({"hello": "world"})"), "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
  EXPECT_EQ(unencoded_digest(""), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
}

}  // namespace
}  // namespace tideline::http
