// Searches on tables of trained networks: a small one made here, and NAS-Bench-201's where it is.
// SPDX-License-Identifier: MIT
#include "bench/table_search.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>
#include <string>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "tests/support/supernet_fixture.h"

namespace nasengine {
namespace {

// Two edges of three operations; `val` is 10 times the first digit plus the second, `test` the
// reverse.
constexpr char kSmall[] =
    "index,ops,val,test\n0,00,0,100\n1,01,1,90\n2,02,2,80\n3,10,10,70\n4,11,11,60\n5,12,12,50\n"
    "6,20,20,40\n7,21,21,30\n8,22,22,20\n";

ArchitectureTable Read(const std::string& csv) {
  return ArchitectureTable(csv, "t.csv", "val", "test");
}
std::string MessageOf(const std::string& csv) {
  try {
    Read(csv);
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}
std::string Replaced(const std::string& from, const std::string& to) {
  std::string text = kSmall;
  return text.replace(text.find(from), from.size(), to);
}

TEST(ArchitectureTableTest, LooksPathsUp) {
  const ArchitectureTable table = Read(kSmall);
  EXPECT_EQ(table.edges(), 2);
  EXPECT_EQ(table.operations(), 3);
  EXPECT_EQ(table.networks(), 9u);
  EXPECT_EQ(table.SearchTop1(std::vector<int>{1, 2}), 0.12);
  EXPECT_EQ(table.FinalTop1(std::vector<int>{1, 2}), 0.5);
  EXPECT_EQ(table.BestFinalTop1(), 1.0);
  EXPECT_THROW(table.SearchTop1(std::vector<int>{1}), Error);
  EXPECT_THROW(table.SearchTop1(std::vector<int>{1, 3}), Error);
}

TEST(ArchitectureTableTest, RefusesWithTheLine) {
  EXPECT_EQ(MessageOf(Replaced("val", "vol")), "t.csv:1: found no column 'val'");
  EXPECT_EQ(MessageOf(Replaced("3,10,10,70", "3,10,10")), "t.csv:5: found 3 values, expected 4");
  EXPECT_EQ(MessageOf(Replaced("3,10,10,70", "3,10,ten,70")),
            "t.csv:5: found 'ten', expected a percentage");
  EXPECT_EQ(MessageOf(Replaced("3,10,10,70", "3,10,10,170")),
            "t.csv:5: found '170', expected a percentage");
  EXPECT_EQ(MessageOf(Replaced("3,10,10,70", "3,1x,10,70")),
            "t.csv:5: found ops '1x', expected 1 to 8 digits");
  EXPECT_EQ(MessageOf(Replaced("3,10,10,70", "3,100,10,70")),
            "t.csv:5: found ops '100', expected 2 digits");
  EXPECT_EQ(MessageOf(Replaced("3,10,10,70", "3,11,10,70")),
            "t.csv:6: found ops '11' a second time");
  EXPECT_EQ(MessageOf(Replaced("3,10,10,70\n", "")),
            "t.csv: found 8 networks, expected 9, 3 operations on each of 2 edges");
  EXPECT_EQ(MessageOf("index,ops,val,test\n"), "t.csv: found no networks");
}

class TableSearchTest : public SupernetFixture {};

TEST_F(TableSearchTest, HandsOverTheBestByWhatItMaySee) {
  const ArchitectureTable table = Read(kSmall);
  const QueryTrace random = SearchAtRandom(table, 1, 9);
  EXPECT_EQ(std::set<double>(random.asked_top1.begin(), random.asked_top1.end()).size(), 9u);
  EXPECT_EQ(random.found_top1.back(), 0.2) << "the test accuracy of the best validation accuracy";
  EXPECT_EQ(random.found_top1, SearchAtRandom(table, 1, 9).found_top1);
  EXPECT_THROW(SearchAtRandom(table, 1, 10), Error);
  const QueryTrace reinforce =
      SearchByReinforce(context(), table, {.seed = 1, .samples = 4, .alpha_lr = 0.3}, 203);
  EXPECT_EQ(reinforce.asked_top1.size(), 200u);
  EXPECT_EQ(reinforce.found_top1.back(), 0.2);
  EXPECT_EQ(reinforce.asked_top1.back(), 0.22) << "the policy has settled on the best";
}

// NAS-Bench-201, searched by validation accuracy after 12 epochs, judged by test accuracy after
// 200. The policy has to move towards better networks, and what it hands over has to be no worse
// than what as many random draws hand over; means of 100 seeds, five standard errors.
TEST_F(TableSearchTest, OnNasBench201TheDrawsGetBetter) {
  const char* shared = std::getenv("NASENGINE_SHARED");
  if (shared == nullptr) GTEST_SKIP() << "NASENGINE_SHARED is not set";
  const std::string packed = std::string(shared) + "/data/nas_bench/nasbench201_accuracy.csv.xz";
  const std::string plain = testing::TempDir() + "/nasbench201_accuracy.csv";
  if (!std::filesystem::exists(packed) ||
      std::system(("xz -dc '" + packed + "' > '" + plain + "'").c_str()) != 0) {
    GTEST_SKIP() << packed << " cannot be unpacked";
  }
  const ArchitectureTable table(ReadFile(plain), plain, "c10_val_12ep", "c10_test_200ep");
  EXPECT_EQ(table.networks(), 15625u);
  EXPECT_NEAR(table.BestFinalTop1(), 0.9437, 5e-5) << "the published optimum";
  constexpr int kSeeds = 100;
  constexpr int kUpdates = 30;
  double first = 0;
  double last = 0;
  double first_squares = 0;
  double found = 0;
  double found_at_random = 0;
  for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
    const QueryTrace trace = SearchByReinforce(
        context(), table, {.seed = seed, .samples = 10, .alpha_lr = 0.1}, 10 * kUpdates);
    double mean = 0;
    for (std::size_t i = 0; i < 10; ++i) {
      mean += trace.asked_top1[i] / 10;
      last += trace.asked_top1[10 * (kUpdates - 1) + i] / 10 / kSeeds;
    }
    first += mean / kSeeds;
    first_squares += mean * mean / kSeeds;
    found += trace.found_top1.back() / kSeeds;
    found_at_random += SearchAtRandom(table, seed, 10 * kUpdates).found_top1.back() / kSeeds;
  }
  const double standard_error = std::sqrt((first_squares - first * first) / kSeeds);
  EXPECT_GT(last, first + 5 * standard_error);
  std::cout << "asked " << first << " at first, " << last << " at last; found " << found
            << ", at random " << found_at_random << "\n";
}

}  // namespace
}  // namespace nasengine
