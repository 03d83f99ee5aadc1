// Planted optima by algorithms without gate gradients: Proxyless-R has to find them as Proxyless-G
// does; what random search finds is printed beside it.
// SPDX-License-Identifier: MIT
#include "tests/nas/train/planted_search.h"

namespace nasengine {
namespace {

class PlantedRewardTest : public PlantedSearch {};

TEST_F(PlantedRewardTest, OfEqualsTheCheapestIsChosenInEveryBlock) {
  Planted planted = CheapestOfEquals();
  planted.space.recipe.rl_batch = 32;
  planted.space.recipe.rl_alpha_lr = 0.1;
  planted.space.recipe.random_samples = 4;
  EXPECT_GE(CountRight("proxyless-r", planted), kAtLeastRight);
  CountRight("random", planted);
}

TEST_F(PlantedRewardTest, TheOneWindowThatIsWideEnoughIsChosen) {
  Planted planted = WidestWindow();
  planted.space.recipe.rl_batch = 64;
  planted.space.recipe.rl_updates_per_epoch = 4;
  planted.space.recipe.rl_alpha_lr = 0.06;
  planted.space.recipe.random_samples = 3;
  EXPECT_GE(CountRight("proxyless-r", planted), kAtLeastRight);
  CountRight("random", planted);
}

}  // namespace
}  // namespace nasengine
