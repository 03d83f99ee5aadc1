// Planted optima by the algorithms that follow gradients. They prove that the search searches.
// SPDX-License-Identifier: MIT
#include "tests/nas/train/planted_search.h"

namespace nasengine {
namespace {

class PlantedOptimumTest : public PlantedSearch {
 protected:
  void ExpectRight(std::string_view algorithm, Planted planted, double alpha_lr) {
    planted.space.recipe.alpha_lr = alpha_lr;
    EXPECT_GE(CountRight(algorithm, planted), kAtLeastRight);
  }
};

TEST_F(PlantedOptimumTest, ProxylessGTakesTheCheapestOfEquals) {
  ExpectRight("proxyless-g", CheapestOfEquals(), 0.03);
}

// With two paths two of three candidates move in a step, and each only against the other, so that
// the same number of steps asks for a rate twice that of proxyless-g.
TEST_F(PlantedOptimumTest, ProxylessGTwoTakesTheCheapestOfEquals) {
  ExpectRight("proxyless-g-two", CheapestOfEquals(), 0.06);
}

TEST_F(PlantedOptimumTest, DartsTakesTheCheapestOfEquals) {
  ExpectRight("darts", CheapestOfEquals(), 0.03);
}

TEST_F(PlantedOptimumTest, ProxylessGTakesTheOneWindowThatIsWideEnough) {
  ExpectRight("proxyless-g", WidestWindow(), 0.03);
}

TEST_F(PlantedOptimumTest, ProxylessGTwoTakesTheOneWindowThatIsWideEnough) {
  ExpectRight("proxyless-g-two", WidestWindow(), 0.06);
}

TEST_F(PlantedOptimumTest, ProxylessGNeverSkipsEveryBlockWithoutLatency) {
  ExpectRight("proxyless-g", NotAllZero(), 0.02);
}

TEST_F(PlantedOptimumTest, ProxylessGTwoNeverSkipsEveryBlockWithoutLatency) {
  ExpectRight("proxyless-g-two", NotAllZero(), 0.04);
}

}  // namespace
}  // namespace nasengine
