// alphas.json: there and back, and rows that are not the space's.
// SPDX-License-Identifier: MIT
#include "nas/space/alphas_file.h"

#include <gtest/gtest.h>

#include <string>

#include "kernels/core/error.h"
#include "nas/space/space_file.h"

namespace nasengine {
namespace {

AlphaRows Rows(const SearchSpace& space) {
  AlphaRows rows;
  for (const ChoiceNode* choice : space.Choices()) {
    rows.emplace_back();
    for (std::size_t k = 0; k < choice->candidates.size(); ++k) {
      rows.back().push_back(static_cast<float>(0.1 * static_cast<double>(k) - 1.0 / 3));
    }
  }
  return rows;
}

std::string Refusal(const std::string& json, const SearchSpace& space) {
  try {
    AlphasFromJson(json, "a.json", space);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST(AlphasFileTest, KeepsEveryF32) {
  const SearchSpace space = LoadSpace("fashion");
  const AlphaRows rows = Rows(space);
  const AlphaRows back = AlphasFromJson(AlphasToJson(space, rows), "a.json", space);
  ASSERT_EQ(back.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    ASSERT_EQ(back[i].size(), rows[i].size());
    for (std::size_t k = 0; k < rows[i].size(); ++k) {
      EXPECT_EQ(static_cast<float>(back[i][k]), static_cast<float>(rows[i][k]));
    }
  }
}

TEST(AlphasFileTest, TakesABareArray) {
  SearchSpace space = LoadSpace("fashion");
  space.nodes.erase(space.nodes.begin() + 2, space.nodes.end() - 2);
  ASSERT_EQ(space.searchable_blocks(), 1);
  const AlphaRows rows = AlphasFromJson("[[1, 2.5, -3, 0, 0, 0]]", "a.json", space);
  EXPECT_EQ(rows, (AlphaRows{{1, 2.5, -3, 0, 0, 0}}));
}

TEST(AlphasFileTest, RefusesRowsOfAnotherSpace) {
  const SearchSpace fashion = LoadSpace("fashion");
  const SearchSpace imagenet = LoadSpace("proxyless-imagenet");
  const std::string json = AlphasToJson(fashion, Rows(fashion));
  EXPECT_NE(Refusal(json, imagenet).find("found 'fashion', expected 'proxyless-imagenet'"),
            std::string::npos);
  EXPECT_NE(Refusal("[[1]]", imagenet).find("expected an array of 21 rows"), std::string::npos);
  std::string renamed = json;
  renamed.replace(renamed.find("3x3_MBConv3"), 11, "3x3_MBConv4");
  EXPECT_NE(Refusal(renamed, fashion).find("expected the candidates of block1"), std::string::npos);
  EXPECT_NE(Refusal("[[1]]", fashion).find("expected an array of 7 rows"), std::string::npos);
  EXPECT_NE(Refusal("{\"format\": \"x\"}", fashion).find("'nasengine-alphas'"), std::string::npos);
}

}  // namespace
}  // namespace nasengine
