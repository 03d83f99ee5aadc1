// The grammar of space files.
// SPDX-License-Identifier: MIT
#include "nas/space/space_file.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"
#include "nas/space/builtin_files.h"
#include "nas/space/recipe_reader.h"
#include "nas/space/resolve_sizes.h"
#include "nas/space/source_value.h"
#include "nas/space/width.h"

namespace nasengine {
namespace {

constexpr int64_t kMaxSide = 8192;
constexpr int64_t kMaxChannels = 65536;
constexpr int64_t kMaxClasses = 1000000;
constexpr int64_t kMaxExpand = 16;
constexpr int64_t kMaxBlocks = 1000;
constexpr std::array<int, 4> kConvKernels{1, 3, 5, 7};
constexpr std::array<int, 3> kDepthwiseKernels{3, 5, 7};
constexpr std::array<int, 2> kStrides{1, 2};

// The space while its file is read: nodes in order, and where each one was written.
struct Draft {
  double width = 1.0;
  SearchSpace space{};
  std::vector<std::string> places{};
  int blocks = 0;
  int gates = 0;

  std::vector<std::string> DefaultInputs() const {
    if (space.nodes.empty()) return {std::string(kImageInput)};
    const auto* fixed = std::get_if<LayerDesc>(&space.nodes.back());
    return {fixed != nullptr ? fixed->name : std::get<ChoiceNode>(space.nodes.back()).name};
  }
  void Add(SpaceNode node, const std::string& place) {
    space.nodes.push_back(std::move(node));
    places.push_back(place);
  }
};

Activation ReadActivation(const TableReader& table) {
  const std::string word = table.String("activation", Name(Activation::kRelu6));
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kRelu6}) {
    if (word == Name(activation)) return activation;
  }
  Refuse(*table.Find("activation"), "'none', 'relu' or 'relu6'");
}

int64_t ReadChannels(const TableReader& table, const Draft& draft) {
  const int64_t channels = table.Int("channels", 1, kMaxChannels);
  const std::string word = table.String("width", Name(WidthRule::kScale));
  for (const WidthRule rule : {WidthRule::kScale, WidthRule::kGrow, WidthRule::kFixed}) {
    if (word == Name(rule)) return ScaledChannels(channels, draft.width, rule);
  }
  Refuse(*table.Find("width"), "'scale', 'grow' or 'fixed'");
}

std::vector<std::string> ReadInputs(const TableReader& table, const Draft& draft) {
  const SourceValue* value = table.Find("inputs");
  if (value == nullptr) return draft.DefaultInputs();
  std::vector<std::string> inputs = table.Strings("inputs");
  if (inputs.size() != 1) Refuse(*value, "an array of exactly one name");
  return inputs;
}

LayerDesc ReadConv(const SourceValue& value, const Draft& draft) {
  const TableReader table(
      value, "a [[layer]] with op = 'conv'",
      {"name", "op", "inputs", "channels", "width", "kernel", "stride", "activation", "key"});
  LayerDesc layer{.name = table.String("name"), .op = LayerOp::kConv};
  layer.inputs = ReadInputs(table, draft);
  layer.out.c = ReadChannels(table, draft);
  layer.kernel = table.IntOf("kernel", kConvKernels);
  layer.stride = table.IntOf("stride", kStrides, 1);
  layer.activation = ReadActivation(table);
  if (table.Find("key") != nullptr) layer.key_prefix = table.String("key");
  return layer;
}

LayerDesc ReadMbconv(const SourceValue& value, const Draft& draft) {
  const TableReader table(
      value, "a [[layer]] with op = 'mbconv'",
      {"name", "op", "inputs", "channels", "width", "kernel", "stride", "expand"});
  LayerDesc layer{.name = table.String("name"), .op = LayerOp::kMbconv};
  layer.inputs = ReadInputs(table, draft);
  layer.out.c = ReadChannels(table, draft);
  layer.kernel = table.IntOf("kernel", kDepthwiseKernels);
  layer.stride = table.IntOf("stride", kStrides, 1);
  layer.expand = static_cast<int>(table.Int("expand", 1, kMaxExpand));
  layer.activation = Activation::kRelu6;
  return layer;
}

LayerDesc ReadClassifier(const SourceValue& value, const Draft& draft) {
  const TableReader table(value, "a [[layer]] with op = 'classifier'", {"name", "op", "inputs"});
  LayerDesc layer{.name = table.String("name"), .op = LayerOp::kClassifier};
  layer.inputs = ReadInputs(table, draft);
  return layer;
}

void ReadLayer(const SourceValue& value, Draft& draft) {
  // Which keys are known depends on the operation, so that it is looked at first.
  const SourceValue* op = value.Find("op");
  if (op == nullptr) {
    Throw(ErrorCode::kInvalidArgument, value.place,
          ": found no key 'op' in [[layer]], expected 'conv', 'mbconv' or 'classifier'");
  }
  if (op->text == "conv") {
    draft.Add(ReadConv(value, draft), value.place);
  } else if (op->text == "mbconv") {
    draft.Add(ReadMbconv(value, draft), value.place);
  } else if (op->text == "classifier") {
    draft.Add(ReadClassifier(value, draft), value.place);
  } else {
    Refuse(*op, "'conv', 'mbconv' or 'classifier'");
  }
}

// One candidate from its name, such as "5x5_MBConv6"; sizes, stride and name come from the block.
LayerDesc ReadCandidate(const SourceValue& value) {
  LayerDesc layer;
  if (value.kind == SourceValue::Kind::kString && value.text == "Zero") {
    layer.op = LayerOp::kZero;
    return layer;
  }
  layer.op = LayerOp::kMbconv;
  layer.activation = Activation::kRelu6;
  for (const int kernel : kDepthwiseKernels) {
    for (int expand = 1; expand <= kMaxExpand; ++expand) {
      layer.kernel = kernel;
      layer.expand = expand;
      if (value.kind == SourceValue::Kind::kString && value.text == CandidateName(layer)) {
        return layer;
      }
    }
  }
  Refuse(value,
         StrCat("a candidate: Zero, or KxK_MBConvE with K 3, 5 or 7 and E 1 to ", kMaxExpand));
}

// What one block of a stage may be.
struct BlockChoice {
  std::vector<LayerDesc> candidates{};
  // Where a Zero was written, for the refusal in a block that cannot be skipped.
  const SourceValue* explicit_zero = nullptr;
};

BlockChoice ReadBlockChoice(std::span<const SourceValue> names) {
  BlockChoice choice;
  for (const SourceValue& name : names) {
    choice.candidates.push_back(ReadCandidate(name));
    const auto last = choice.candidates.end() - 1;
    if (std::find(choice.candidates.begin(), last, *last) != last) {
      Refuse(name, "every candidate once");
    }
    if (last->op == LayerOp::kZero) choice.explicit_zero = &name;
  }
  return choice;
}

struct Stage {
  int64_t channels = 0;
  int stride = 1;
  bool zero = false;
  // Where share = "stage" was written: one gate chooses for all blocks.
  const SourceValue* share = nullptr;
  std::vector<BlockChoice> blocks{};
};

// Every block with the same candidates.
void ReadSearchedBlocks(const TableReader& table, int64_t count, Stage& stage) {
  stage.zero = table.Bool("zero", false);
  stage.share = table.Find("share");
  if (stage.share != nullptr && table.String("share") != "stage") {
    Refuse(*stage.share, "'stage', or no key 'share' for a choice of its own in every block");
  }
  const SourceValue& names = table.Require("candidates", "an array of candidate names");
  if (names.kind != SourceValue::Kind::kArray || names.items.empty()) {
    Refuse(names, "an array of at least one candidate name");
  }
  const BlockChoice choice = ReadBlockChoice(names.items);
  if (stage.zero && choice.explicit_zero != nullptr) {
    Refuse(*choice.explicit_zero, "Zero either here or by zero = true");
  }
  stage.blocks.assign(static_cast<size_t>(count), choice);
}

// blocks = ["5x5_MBConv3", "Zero"]: one operation for each, as in a network.
void ReadGivenBlocks(const TableReader& table, const SourceValue& operations, Stage& stage) {
  for (const char* key : {"candidates", "zero", "share"}) {
    const SourceValue* value = table.Find(key);
    if (value == nullptr) continue;
    Refuse(*value, StrCat("'", key, "' only where blocks is a number"));
  }
  if (operations.items.empty()) Refuse(operations, "at least one block");
  for (const SourceValue& name : operations.items) {
    stage.blocks.push_back(ReadBlockChoice({&name, 1}));
  }
}

Stage ReadStage(const SourceValue& value, const Draft& draft) {
  const TableReader table(value, "[[stage]]",
                          {"channels", "width", "blocks", "stride", "candidates", "zero", "share"});
  Stage stage{.channels = ReadChannels(table, draft), .stride = table.IntOf("stride", kStrides, 1)};
  const SourceValue& blocks =
      table.Require("blocks", "their number, or an array with the operation of each");
  if (blocks.kind == SourceValue::Kind::kArray) {
    ReadGivenBlocks(table, blocks, stage);
  } else {
    ReadSearchedBlocks(table, ExpectInt(blocks, 1, kMaxBlocks), stage);
  }
  return stage;
}

int64_t OutputChannels(const Draft& draft) {
  if (draft.space.nodes.empty()) return draft.space.input.c;
  const auto* fixed = std::get_if<LayerDesc>(&draft.space.nodes.back());
  return fixed != nullptr ? fixed->out.c
                          : std::get<ChoiceNode>(draft.space.nodes.back()).candidates[0].out.c;
}

void AddStage(const SourceValue& value, Draft& draft) {
  const Stage stage = ReadStage(value, draft);
  const int first_gate = draft.gates;
  for (const BlockChoice& block : stage.blocks) {
    ChoiceNode node{.name = StrCat("block", ++draft.blocks), .candidates = block.candidates};
    const int stride = &block == &stage.blocks.front() ? stage.stride : 1;
    const bool is_skippable = stride == 1 && OutputChannels(draft) == stage.channels;
    if (block.explicit_zero != nullptr && !is_skippable) {
      Throw(ErrorCode::kInvalidArgument, block.explicit_zero->place, ": found Zero for ", node.name,
            ", which goes from ", OutputChannels(draft), " to ", stage.channels,
            " channels with stride ", stride,
            ", expected it only where size and channels stay (or use zero = true)");
    }
    if (stage.zero && is_skippable) node.candidates.push_back({.op = LayerOp::kZero});
    if (stage.zero && !is_skippable && stage.share != nullptr && stage.blocks.size() > 1) {
      Throw(ErrorCode::kInvalidArgument, stage.share->place, ": found blocks that share a choice, ",
            node.name, " without and the others with Zero, expected the same candidates in all; ",
            "put ", node.name, " into a stage of its own, or leave zero = true out");
    }
    const std::vector<std::string> inputs = draft.DefaultInputs();
    for (LayerDesc& candidate : node.candidates) {
      candidate.name = node.name;
      candidate.inputs = inputs;
      candidate.stride = stride;
      candidate.out.c = stage.channels;
    }
    // One candidate leaves nothing to search.
    if (node.candidates.size() == 1) {
      draft.Add(node.candidates.front(), value.place);
    } else {
      node.gate = stage.share != nullptr ? first_gate : draft.gates;
      draft.gates = node.gate + 1;
      draft.Add(std::move(node), value.place);
    }
  }
}

Size3 ReadInput(const SourceValue& value) {
  if (value.kind != SourceValue::Kind::kArray || value.items.size() != 3) {
    Refuse(value, "[height, width, channels]");
  }
  return {ExpectInt(value.items[0], 1, kMaxSide), ExpectInt(value.items[1], 1, kMaxSide),
          ExpectInt(value.items[2], 1, kMaxChannels)};
}

// [[layer]] and [[stage]] are two arrays to TOML; what counts is the order in the file.
struct Section {
  const SourceValue* value = nullptr;
  bool is_stage = false;
};

std::vector<Section> SectionsInOrder(const TableReader& file) {
  std::vector<Section> sections;
  for (const bool is_stage : {false, true}) {
    const SourceValue* array = file.Find(is_stage ? "stage" : "layer");
    if (array == nullptr) continue;
    if (array->kind != SourceValue::Kind::kArray) {
      Refuse(*array, is_stage ? "[[stage]] tables" : "[[layer]] tables");
    }
    for (const SourceValue& value : array->items) {
      if (value.kind != SourceValue::Kind::kTable) Refuse(value, "a table");
      sections.push_back({&value, is_stage});
    }
  }
  std::sort(sections.begin(), sections.end(), [](const Section& a, const Section& b) {
    return std::pair(a.value->line, a.value->column) < std::pair(b.value->line, b.value->column);
  });
  return sections;
}

void CheckVersion(const TableReader& file) {
  const SourceValue& version = file.Require("version", "version = 1");
  if (version.kind != SourceValue::Kind::kInteger || version.integer != 1) {
    Refuse(version, "1, the version this program reads");
  }
}

}  // namespace

SearchSpace ParseSpace(std::string_view toml, std::string_view origin, double width) {
  CheckWidth("width", width);
  const SourceValue document = ParseToml(toml, origin);
  const TableReader file(
      document, "a space file",
      {"version", "name", "input", "classes", "batch_norm", "recipe", "layer", "stage"});
  CheckVersion(file);
  Draft draft{.width = width};
  SearchSpace& space = draft.space;
  space.name = file.String("name");
  space.input = ReadInput(file.Require("input", "[height, width, channels]"));
  space.classes = file.Int("classes", 2, kMaxClasses);
  if (const SourceValue* value = file.Find("batch_norm")) {
    const TableReader norm(*value, "[batch_norm]", {"momentum", "epsilon"});
    space.batch_norm.momentum = norm.Real("momentum", 0.0, 1.0, space.batch_norm.momentum);
    space.batch_norm.epsilon = norm.Real("epsilon", 1e-12, 1.0, space.batch_norm.epsilon);
  }
  if (const SourceValue* value = file.Find("recipe")) space.recipe = ReadRecipe(*value);
  for (const Section& section : SectionsInOrder(file)) {
    section.is_stage ? AddStage(*section.value, draft) : ReadLayer(*section.value, draft);
  }
  NAS_CHECK(!space.nodes.empty(), document.place, ": found no [[layer]], expected a classifier");
  ResolveSizes(space, draft.places);
  return space;
}

SearchSpace LoadSpace(const std::string& name_or_path, double width) {
  for (const BuiltinFile& builtin : BuiltinSpaces()) {
    if (builtin.name == name_or_path)
      return ParseSpace(builtin.text, name_or_path + ".toml", width);
  }
  if (!std::filesystem::exists(name_or_path)) {
    std::string names;
    for (const std::string& name : BuiltinSpaceNames()) names += " " + name;
    Throw(ErrorCode::kNotFound, "space '", name_or_path,
          "': found neither a built-in space nor a file, expected a TOML file or one of", names);
  }
  return ParseSpace(ReadFile(name_or_path), name_or_path, width);
}

std::vector<std::string> BuiltinSpaceNames() {
  std::vector<std::string> names;
  for (const BuiltinFile& builtin : BuiltinSpaces()) names.emplace_back(builtin.name);
  return names;
}

bool IsBuiltinSpace(std::string_view name) {
  const std::vector<std::string> names = BuiltinSpaceNames();
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string_view BuiltinSpaceText(std::string_view name) {
  for (const BuiltinFile& builtin : BuiltinSpaces()) {
    if (builtin.name == name) return builtin.text;
  }
  Throw(ErrorCode::kNotFound, "space '", name, "': found no built-in space of this name");
}

}  // namespace nasengine
