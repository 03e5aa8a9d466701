#include "cli/support.h"

#include <gtest/gtest.h>

#include "absl/strings/match.h"

namespace cairn::cli {
namespace {

TEST(SupportTest, NothingThatNamesSomebodyOrOpensSomethingIsLeft) {
  const std::string secrets[] = {
      "0f8a1c3e-1111-4222-8333-abcdefabcdef",
      "collector.example+a219b4e7+BO1JKMYo0cLG6ukDOJBZlWEpWSc6XGP5NjbBRhSshzfR",
      "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
      "10.20.30.40",
      "2001:db8:0:1:2:3:4:5",
      "https://alerts.corp.internal/hook?key=1",
      "MC4CAQAwBQYDK2VwBCIEIAAA",
      "hunter2",
      "alice",
      "db17",
      "audit.corp.internal:7443"};
  std::string text = "origin: prod/h/" + secrets[0] + "/1\nkey: " + secrets[1] + "\ndigest " +
                     secrets[2] + "\nlisten " + secrets[3] + " " + secrets[4] +
                     "\nwebhook: " + secrets[5] + "\n-----BEGIN PRIVATE KEY-----\n" + secrets[6] +
                     "\n-----END PRIVATE KEY-----\ntoken: " + secrets[7] + "\n/home/" + secrets[8] +
                     "/x\nhost " + secrets[9] + "\n  - address: \"" + secrets[10] + "\"\n";
  const std::string redacted = RedactForSupport(text, "db17");
  for (const std::string& secret : secrets) {
    EXPECT_FALSE(absl::StrContains(redacted, secret)) << secret << " is left in:\n" << redacted;
  }
  EXPECT_TRUE(absl::StrContains(redacted, "origin: prod/h/<uuid>/1")) << redacted;
}

TEST(SupportTest, WhatHelpsIsLeft) {
  const std::string text =
      "kernel 6.1.0-30-amd64, 12:01:33 error: policy.d/10-a.yaml:3:7: no key\n";
  EXPECT_EQ(RedactForSupport(text, "db17"), text);
}

}  // namespace
}  // namespace cairn::cli
