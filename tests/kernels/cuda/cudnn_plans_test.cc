// cuDNN's plans for every convolution of every built-in space and network, built from descriptions
// of devices: they are BUILT here, not run, and need neither a device nor a driver. What a device
// would choose is not known from this either: without a driver cuDNN leaves out of its lists the
// engines that it compiles at run time.
// SPDX-License-Identifier: MIT
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/conv/conv_cudnn.h"
#include "kernels/core/file_io.h"
#include "kernels/cuda/cudnn_graph.h"
#include "tests/support/builtin_layers.h"

namespace nasengine::cuda {
namespace {

constexpr ConvDirection kDirections[] = {ConvDirection::kForward, ConvDirection::kBackwardData,
                                         ConvDirection::kBackwardWeights};
constexpr std::int64_t kBatches[] = {1, 32, 128};

std::string Fixture(const std::string& name) {
  return std::string(NASENGINE_FIXTURES) + "/cudnn/" + name;
}

CudnnDescriptor Describe(const std::string& architecture) {
  return DeviceDescription(ReadFile(Fixture(architecture + ".json")));
}

struct Convolution {
  ConvKind kind;
  ConvGeometry geometry;  // but for the batch
};

// The distinct ones of kind dense and depthwise; pointwise ones are cuBLASLt's.
std::vector<Convolution> BuiltinConvolutions() {
  std::set<std::tuple<bool, std::int64_t, std::int64_t, std::int64_t, std::int64_t, int, int>> seen;
  std::vector<Convolution> convolutions;
  for (const LayerDesc& layer : BuiltinLayers()) {
    const bool dense = layer.op == LayerOp::kConv && (layer.kernel > 1 || layer.stride > 1);
    if (!dense && layer.op != LayerOp::kMbconv) continue;
    const std::int64_t c_in = dense ? layer.in.c : ExpandedChannels(layer);
    const std::int64_t c_out = dense ? layer.out.c : c_in;
    const bool is_new =
        seen.insert({dense, layer.in.h, layer.in.w, c_in, c_out, layer.kernel, layer.stride})
            .second;
    if (!is_new) continue;
    convolutions.push_back({.kind = dense ? ConvKind::kDense : ConvKind::kDepthwise,
                            .geometry = {.n = 0,
                                         .h = layer.in.h,
                                         .w = layer.in.w,
                                         .c_in = c_in,
                                         .c_out = c_out,
                                         .kernel = layer.kernel,
                                         .stride = layer.stride,
                                         .pad = layer.kernel / 2}});
  }
  return convolutions;
}

// What cuDNN is asked for them, forward and backward, in both types, without repetitions.
std::vector<std::pair<ConvKind, CudnnConvolution>> BuiltinGraphs() {
  std::set<std::string> seen;
  std::vector<std::pair<ConvKind, CudnnConvolution>> graphs;
  for (const Convolution& convolution : BuiltinConvolutions()) {
    for (const std::int64_t batch : kBatches) {
      for (const ConvDirection direction : kDirections) {
        for (const DType dtype : {DType::kF32, DType::kBf16}) {
          ConvGeometry geometry = convolution.geometry;
          geometry.n = batch;
          const CudnnConvolution graph = AskCudnn(direction, convolution.kind, geometry, dtype);
          if (seen.insert(ToString(graph)).second) graphs.emplace_back(convolution.kind, graph);
        }
      }
    }
  }
  return graphs;
}

// Of the table tests/fixtures/cudnn/plans.csv: graphs of one sort that one engine serves.
struct Served {
  int graphs = 0;
  std::int64_t workspace = 0;  // the largest
};

std::string RowName(const std::string& architecture, ConvKind kind, const CudnnConvolution& c,
                    const CudnnEngine& engine) {
  return StrCat(architecture, ",", kind == ConvKind::kDense ? "dense" : "depthwise", ",",
                Name(c.direction), ",", nasengine::Name(c.images), ",", c.geometry.kernel, ",",
                c.geometry.stride, ",", engine.index, ",", Notes(engine));
}

constexpr const char* kTableHead =
    "architecture,kind,operation,type,kernel,stride,engine,notes,graphs,largest workspace";

std::string TableVersion() { return StrCat("# cuDNN ", cudnnGetVersion()); }

std::string TablePath() { return Fixture("plans.csv"); }

// The table's lines whose architecture is, or is not, this one; head and version left out.
std::vector<std::string> TableLines(const std::string& architecture, bool of_it) {
  std::vector<std::string> lines;
  std::istringstream table(ReadFile(TablePath()));
  for (std::string line; std::getline(table, line);) {
    if (line.empty() || line[0] == '#' || line == kTableHead) continue;
    if (line.starts_with(architecture + ",") == of_it) lines.push_back(line);
  }
  return lines;
}

void WriteTable(const std::string& architecture, const std::vector<std::string>& lines) {
  std::string text = StrCat(
      "# First plan of every graph with all filters on, built without a "
      "driver: NASENGINE_WRITE_TABLES=1 kernels_cudnn_plans_test\n",
      TableVersion(), "\n", kTableHead, "\n");
  std::set<std::string> all(lines.begin(), lines.end());
  for (const std::string& line : TableLines(architecture, false)) all.insert(line);
  for (const std::string& line : all) text += line + "\n";
  WriteFileAtomically(TablePath(), text);
}

// cuDNN opens this library of 110 MB for every graph, and closes it where there is no driver; held
// open, that costs nothing.
void HoldRuntimeCompiler() {
  dlopen(StrCat("libnvrtc.so.", cudnnGetCudartVersion() / 1000).c_str(), RTLD_NOW | RTLD_LOCAL);
}

// With one cuDNN's lists change, whatever the description says.
bool DriverIsThere() {
  void* driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (driver != nullptr) dlclose(driver);
  return driver != nullptr;
}

bool IsInexactForF32(const CudnnConvolution& graph, const CudnnEngine& engine) {
  return graph.images == DType::kF32 && engine.Has(CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
}

class CudnnPlansTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override { HoldRuntimeCompiler(); }
};

TEST_P(CudnnPlansTest, EveryBuiltinConvolutionHasOne) {
  const std::string architecture = GetParam();
  const CudnnDescriptor device = Describe(architecture);
  const CudnnTarget target{.description = &device};
  std::map<std::string, Served> rows;
  int first_is_inexact = 0, first_is_random = 0, filtered = 0;
  const auto graphs = BuiltinGraphs();
  for (const auto& [kind, graph] : graphs) {
    const PlansFound found = FindPlans(graph, target, {});
    if (found.plans.empty()) {
      ADD_FAILURE() << architecture << ": no plan for " << ToString(graph) << ": " << found.refused;
      continue;
    }
    const CudnnPlan& plan = found.plans.front();
    Served& row = rows[RowName(architecture, kind, graph, plan.engine)];
    ++row.graphs;
    row.workspace = std::max(row.workspace, plan.workspace_bytes);
    EXPECT_EQ(Refusal({}, graph, plan.engine), "") << ToString(graph);
    EXPECT_LE(plan.workspace_bytes, EngineFilter{}.workspace_limit) << ToString(graph);
    if (found.offered == 1) continue;
    // Something was refused: by which note, had there been no filter?
    ++filtered;
    const EngineFilter none{.f32_means_f32 = false,
                            .sums_in_f32 = false,
                            .plain_terms = false,
                            .deterministic = false,
                            .inexact = {}};
    const PlansFound any = FindPlans(graph, target, {.filter = none});
    if (any.plans.empty()) continue;
    const CudnnEngine& engine = any.plans.front().engine;
    first_is_inexact += IsInexactForF32(graph, engine) ? 1 : 0;
    first_is_random += engine.Has(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) ? 1 : 0;
  }
  std::cout << architecture << ": plans of " << graphs.size()
            << " graphs BUILT, not run; without the filter the first engine would have taken f32 "
               "as TF32 in "
            << first_is_inexact << " and been nondeterministic in " << first_is_random << "; "
            << filtered << " lists were searched beyond their first entry\n";

  std::vector<std::string> lines;
  for (const auto& [name, row] : rows)
    lines.push_back(StrCat(name, ",", row.graphs, ",", row.workspace));
  if (DriverIsThere()) {
    GTEST_SKIP() << "plans were built; there is a driver, with which cuDNN lists other engines "
                    "than in "
                 << TablePath();
  }
  if (std::getenv("NASENGINE_WRITE_TABLES") != nullptr) {
    WriteTable(architecture, lines);
    return;
  }
  if (ReadFile(TablePath()).find(TableVersion() + "\n") == std::string::npos) {
    GTEST_SKIP() << "plans were built; " << TablePath() << " is not of " << TableVersion();
  }
  EXPECT_EQ(lines, TableLines(architecture, true));
}

constexpr ConvGeometry kStem = {
    .n = 8, .h = 32, .w = 32, .c_in = 3, .c_out = 32, .kernel = 3, .stride = 1, .pad = 1};
constexpr ConvGeometry kDepthwise = {
    .n = 8, .h = 28, .w = 28, .c_in = 144, .c_out = 144, .kernel = 5, .stride = 2, .pad = 2};

std::vector<CudnnConvolution> SomeGraphs(DType dtype) {
  std::vector<CudnnConvolution> graphs;
  for (const ConvDirection direction : kDirections) {
    graphs.push_back(DescribeConvolution(direction, kStem, 1, dtype));
    graphs.push_back(DescribeConvolution(direction, kDepthwise, kDepthwise.c_in, dtype));
  }
  return graphs;
}

// Why cuDNN refuses the convolution itself; empty where it does not.
std::string Refused(const CudnnConvolution& convolution, const CudnnTarget& target) {
  try {
    FindPlans(convolution, target, {});
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
    return error.what();
  }
  return "";
}

// The kernel policy may give cuDNN what is stored at any address.
TEST_P(CudnnPlansTest, TensorsMayBeAlignedToTheirElements) {
  const CudnnDescriptor device = Describe(GetParam());
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (CudnnConvolution graph : SomeGraphs(dtype)) {
      graph.alignment = SizeOf(dtype);
      const PlansFound found = FindPlans(graph, {.description = &device}, {});
      EXPECT_EQ(found.plans.size(), 1u) << ToString(graph) << ": " << found.refused;
    }
  }
}

TEST_P(CudnnPlansTest, SurviveAFile) {
  const CudnnDescriptor device = Describe(GetParam());
  const CudnnTarget target{.description = &device};
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const CudnnConvolution& graph : SomeGraphs(dtype)) {
      const PlansFound found = FindPlans(graph, target, {});
      ASSERT_FALSE(found.plans.empty()) << ToString(graph);
      const std::string json = PlanJson(found.plans.front());
      const CudnnPlan loaded = LoadPlan(target, json);
      EXPECT_EQ(loaded.workspace_bytes, found.plans.front().workspace_bytes) << ToString(graph);
      EXPECT_EQ(PlanJson(loaded), json);
    }
  }
}

// The reason why gradients of weights are computed in f32: ours are f32 beside bf16 images.
TEST_P(CudnnPlansTest, NoEngineAddsBf16ImagesToF32Weights) {
  const CudnnDescriptor device = Describe(GetParam());
  for (CudnnConvolution graph : SomeGraphs(DType::kBf16)) {
    graph.weights = DType::kF32;
    const PlansFound found = FindPlans(graph, {.description = &device}, {});
    EXPECT_TRUE(found.plans.empty())
        << ToString(graph) << ": cuDNN has learned it; " << found.plans.front().engine.index;
    EXPECT_EQ(found.offered, 0) << ToString(graph);
  }
}

TEST_P(CudnnPlansTest, MixedTypesHaveNone) {
  const CudnnDescriptor device = Describe(GetParam());
  for (CudnnConvolution graph : SomeGraphs(DType::kF32)) {
    graph.weights = DType::kBf16;
    EXPECT_TRUE(FindPlans(graph, {.description = &device}, {}).plans.empty()) << ToString(graph);
  }
}

TEST_P(CudnnPlansTest, AWrongConvolutionIsRefused) {
  const CudnnDescriptor device = Describe(GetParam());
  const CudnnTarget target{.description = &device};
  for (const CudnnConvolution& graph : SomeGraphs(DType::kF32)) {
    EXPECT_EQ(Refused(graph, target), "");
    CudnnConvolution wrong = graph;
    ++wrong.out_w;
    EXPECT_NE(Refused(wrong, target), "") << "wrong output size";
    wrong = graph;
    wrong.groups = 7;
    EXPECT_NE(Refused(wrong, target), "") << "channels that groups do not divide";
  }
}

TEST_P(CudnnPlansTest, AWorkspaceLimitIsKept) {
  const CudnnDescriptor device = Describe(GetParam());
  for (const DType dtype : {DType::kF32, DType::kBf16}) {
    for (const CudnnConvolution& graph : SomeGraphs(dtype)) {
      PlanSearch search{.most = 100};
      search.filter.workspace_limit = 0;
      for (const CudnnPlan& plan : FindPlans(graph, {.description = &device}, search).plans) {
        EXPECT_EQ(plan.workspace_bytes, 0) << ToString(graph);
      }
      search.filter.workspace_limit = std::int64_t{1} << 40;
      std::int64_t largest = 0;
      for (const CudnnPlan& plan : FindPlans(graph, {.description = &device}, search).plans) {
        largest = std::max(largest, plan.workspace_bytes);
      }
      EXPECT_GT(largest, 0) << ToString(graph) << ": the limit is not needed";
    }
  }
}

// A description that lacks bf16 shows that an architecture's plans are not simply always found.
TEST(CudnnTuringTest, HasF32AndNoBf16) {
  HoldRuntimeCompiler();
  const CudnnDescriptor device = Describe("sm_75");
  for (const CudnnConvolution& graph : SomeGraphs(DType::kF32)) {
    EXPECT_FALSE(FindPlans(graph, {.description = &device}, {}).plans.empty()) << ToString(graph);
  }
  for (const CudnnConvolution& graph : SomeGraphs(DType::kBf16)) {
    EXPECT_TRUE(FindPlans(graph, {.description = &device}, {}).plans.empty()) << ToString(graph);
  }
}

TEST(CudnnDescriptionTest, WithAKeyMissingIsRefused) {
  std::string json = ReadFile(Fixture("sm_90.json"));
  const std::string key = "\"warpSize\"";
  json.replace(json.find(key), key.size(), "\"wrapSize\"");
  EXPECT_THROW(DeviceDescription(json), Error);
}

TEST(EngineFilterTest, JudgesByNotes) {
  const CudnnConvolution f32 = DescribeConvolution(ConvDirection::kForward, kStem, 1, DType::kF32);
  const CudnnConvolution bf16 =
      DescribeConvolution(ConvDirection::kForward, kStem, 1, DType::kBf16);
  const auto with = [](cudnnBackendNumericalNote_t note) {
    return CudnnEngine{.index = 5, .numerical = {CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP, note}};
  };
  EXPECT_EQ(Refusal({}, f32, {.index = 5}), "");
  EXPECT_NE(Refusal({}, f32, with(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)), "");
  EXPECT_EQ(Refusal({}, bf16, with(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)), "");
  EXPECT_EQ(Refusal({.f32_means_f32 = false}, f32, with(CUDNN_NUMERICAL_NOTE_TENSOR_CORE)), "");
  EXPECT_NE(Refusal({}, f32, with(CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS)), "");
  for (const auto& convolution : {f32, bf16}) {
    EXPECT_NE(Refusal({}, convolution, with(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)), "");
    EXPECT_NE(Refusal({}, convolution, with(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)), "");
    EXPECT_NE(Refusal({}, convolution, with(CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4)), "");
    EXPECT_NE(Refusal({}, convolution, with(CUDNN_NUMERICAL_NOTE_FFT)), "");
  }
  EXPECT_EQ(
      Refusal({.sums_in_f32 = false}, bf16, with(CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION)),
      "");
  EXPECT_EQ(Refusal({.deterministic = false}, f32, with(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC)),
            "");
  EXPECT_EQ(Refusal({.plain_terms = false}, f32, with(CUDNN_NUMERICAL_NOTE_FFT)), "");
}

TEST(EngineFilterTest, KnowsEnginesThatNoNoteGivesAway) {
  const CudnnConvolution weights =
      DescribeConvolution(ConvDirection::kBackwardWeights, kDepthwise, 144, DType::kF32);
  EXPECT_NE(Refusal({}, weights, {.index = 17}), "");
  EXPECT_EQ(Refusal({}, weights, {.index = 61}), "");
  EXPECT_EQ(Refusal({.inexact = {}}, weights, {.index = 17}), "");
  const CudnnConvolution forward =
      DescribeConvolution(ConvDirection::kForward, kDepthwise, 144, DType::kF32);
  EXPECT_EQ(Refusal({}, forward, {.index = 17}), "");
}

INSTANTIATE_TEST_SUITE_P(Architectures, CudnnPlansTest,
                         ::testing::Values("sm_80", "sm_90", "sm_100", "sm_120"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace nasengine::cuda
