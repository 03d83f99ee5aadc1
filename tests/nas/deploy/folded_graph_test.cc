// Buffers are shared, and never by two values that are needed at once.
// SPDX-License-Identifier: MIT
#include "nas/deploy/folded_graph.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace nasengine {
namespace {

struct Step {
  int x;
  int addend = -1;
  int block = kNoBlock;
};

// A graph in which operator i writes value i + 1.
FoldedGraph Graph(const std::vector<Size3>& sizes, const std::vector<Step>& steps) {
  FoldedGraph graph;
  for (const Size3& size : sizes) graph.values.push_back({size});
  for (std::size_t i = 0; i < steps.size(); ++i) {
    FoldedOp op;
    op.kind = steps[i].addend < 0 ? FoldedOpKind::kPointwise : FoldedOpKind::kAdd;
    op.x = steps[i].x;
    op.addend = steps[i].addend;
    op.y = static_cast<int>(i) + 1;
    op.block = steps[i].block;
    graph.ops.push_back(op);
  }
  AssignBuffers(graph);
  return graph;
}

std::vector<int> Buffers(const FoldedGraph& graph) {
  std::vector<int> buffers;
  for (const FoldedValue& value : graph.values) buffers.push_back(value.buffer);
  return buffers;
}

TEST(FoldedGraphTest, AChainNeedsTwoBuffers) {
  const FoldedGraph graph =
      Graph({{4, 4, 1}, {4, 4, 8}, {4, 4, 2}, {2, 2, 16}, {1, 1, 4}}, {{0}, {1}, {2}, {3}});
  EXPECT_EQ(Buffers(graph), (std::vector<int>{kCallersMemory, 0, 1, 0, 1}));
  EXPECT_EQ(graph.buffers, (std::vector<int64_t>{128, 32}));
}

TEST(FoldedGraphTest, AResidualIsKeptAndOverwrittenByTheSum) {
  // 1 -> 2 -> 3, 4 = 3 + 1, 5.
  const FoldedGraph graph =
      Graph({{2, 2, 3}, {2, 2, 4}, {2, 2, 8}, {2, 2, 4}, {2, 2, 4}, {2, 2, 4}},
            {{0}, {1}, {2}, {3, 1}, {4}});
  const std::vector<int> buffers = Buffers(graph);
  EXPECT_NE(buffers[2], buffers[1]);
  EXPECT_NE(buffers[3], buffers[1]);
  EXPECT_EQ(buffers[4], buffers[3]) << "the sum overwrites the branch";
  EXPECT_NE(buffers[5], buffers[4]);
  EXPECT_EQ(graph.buffers.size(), 3u);
}

TEST(FoldedGraphTest, ABlockNeedsNoBufferInsideAndOverwritesNothing) {
  // 2 to 4 are a block without a residual, 5 to 8 one with: 8 = 7 + 4.
  const FoldedGraph graph = Graph(std::vector<Size3>(10, {2, 2, 3}), {{0},
                                                                      {1, -1, 0},
                                                                      {2, -1, 0},
                                                                      {3, -1, 0},
                                                                      {4, -1, 1},
                                                                      {5, -1, 1},
                                                                      {6, -1, 1},
                                                                      {7, 4, 1},
                                                                      {8}});
  EXPECT_EQ(Buffers(graph), (std::vector<int>{kCallersMemory, 0, kInsideBlock, kInsideBlock, 1,
                                              kInsideBlock, kInsideBlock, kInsideBlock, 0, 1}));
  EXPECT_EQ(EndOfBlock(graph, 0), 1u);
  EXPECT_EQ(EndOfBlock(graph, 1), 4u);
  EXPECT_EQ(EndOfBlock(graph, 4), 8u);
}

TEST(FoldedGraphTest, NeverOverwritesTheCallersImage) {
  // 1 = op(image), 2 = image + image, 3 = 2 + 1: the first operand of 3 dies, the image does not.
  const FoldedGraph graph =
      Graph({{1, 1, 4}, {1, 1, 4}, {1, 1, 4}, {1, 1, 4}}, {{0}, {0, 0}, {2, 1}});
  EXPECT_EQ(Buffers(graph), (std::vector<int>{kCallersMemory, 0, 1, 1}));
}

TEST(FoldedGraphTest, TakesTheSmallestBufferThatFitsElseGrowsTheLargest) {
  // 1 (16) and 2 (4) die with the sum 3; 4 (3) fits the smaller of what is free.
  const FoldedGraph fits =
      Graph({{1, 1, 1}, {1, 1, 16}, {1, 1, 4}, {1, 1, 9}, {1, 1, 3}}, {{0}, {1}, {2}, {3}});
  EXPECT_EQ(fits.buffers.size(), 2u);
  const FoldedGraph grows = Graph({{1, 1, 1}, {1, 1, 4}, {1, 1, 8}, {1, 1, 64}}, {{0}, {1}, {2}});
  EXPECT_EQ(grows.buffers, (std::vector<int64_t>{64, 8}));
}

}  // namespace
}  // namespace nasengine
