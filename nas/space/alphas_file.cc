// alphas.json, both ways.
// SPDX-License-Identifier: MIT
#include "nas/space/alphas_file.h"

#include <fmt/format.h>

#include <limits>

#include "kernels/core/error.h"
#include "nas/space/source_value.h"

namespace nasengine {
namespace {

constexpr std::string_view kFormat = "nasengine-alphas";
constexpr int kVersion = 1;

std::vector<double> ReadRow(const SourceValue& row, const ChoiceNode& block) {
  const std::string expected =
      StrCat("an array of ", block.candidates.size(), " numbers, one a candidate of ", block.name);
  if (row.kind != SourceValue::Kind::kArray || row.items.size() != block.candidates.size()) {
    Refuse(row, expected);
  }
  constexpr double kLargest = std::numeric_limits<float>::max();
  std::vector<double> alphas;
  for (const SourceValue& item : row.items) {
    alphas.push_back(ExpectReal(item, -kLargest, kLargest));
  }
  return alphas;
}

// The names must be the space's, or the alphas would be read for other candidates.
void CheckNames(const TableReader& table, const ChoiceNode& block) {
  if (const std::string name = table.String("name"); name != block.name) {
    Refuse(*table.Find("name"), StrCat("'", block.name, "'"));
  }
  std::vector<std::string> names;
  for (const LayerDesc& candidate : block.candidates) names.push_back(CandidateName(candidate));
  if (table.Strings("candidates") != names) {
    Refuse(*table.Find("candidates"), StrCat("the candidates of ", block.name, " in the space"));
  }
}

const SourceValue& Blocks(const SourceValue& document, const SearchSpace& space) {
  const SourceValue* blocks = &document;
  if (document.kind != SourceValue::Kind::kArray) {
    const TableReader table(document, "the document", {"format", "version", "space", "blocks"});
    const std::string word = StrCat("'", kFormat, "'");
    if (table.Require("format", word).text != kFormat) Refuse(*table.Find("format"), word);
    table.Int("version", kVersion, kVersion);
    if (table.String("space") != space.name) {
      Refuse(*table.Find("space"), StrCat("'", space.name, "'"));
    }
    blocks = &table.Require("blocks", "an array of blocks");
  }
  const auto wanted = static_cast<std::size_t>(space.searchable_blocks());
  if (blocks->kind != SourceValue::Kind::kArray || blocks->items.size() != wanted) {
    Refuse(*blocks,
           StrCat("an array of ", wanted, " rows, one a searchable block of ", space.name));
  }
  return *blocks;
}

}  // namespace

std::string AlphasToJson(const SearchSpace& space, const AlphaRows& alphas) {
  const std::vector<const ChoiceNode*> choices = space.Choices();
  NAS_CHECK(alphas.size() == choices.size(), "alphas: found ", alphas.size(), " rows, expected ",
            choices.size());
  std::string text = fmt::format(
      "{{\n  \"format\": \"{}\",\n  \"version\": {},\n  \"space\": \"{}\",\n  \"blocks\": [",
      kFormat, kVersion, space.name);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    std::string names;
    std::string row;
    for (std::size_t k = 0; k < alphas[i].size(); ++k) {
      const char* separator = k == 0 ? "" : ", ";
      names += fmt::format("{}\"{}\"", separator, CandidateName(choices[i]->candidates[k]));
      row += fmt::format("{}{:.9g}", separator, alphas[i][k]);
    }
    text += fmt::format(
        "{}\n    {{\"name\": \"{}\",\n     \"candidates\": [{}],\n     \"alphas\": [{}]}}",
        i == 0 ? "" : ",", choices[i]->name, names, row);
  }
  return text + "\n  ]\n}\n";
}

AlphaRows AlphasFromJson(std::string_view json, std::string_view origin, const SearchSpace& space) {
  const SourceValue document = ParseJson(json, origin);
  const SourceValue& blocks = Blocks(document, space);
  const std::vector<const ChoiceNode*> choices = space.Choices();
  AlphaRows rows;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const SourceValue& item = blocks.items[i];
    if (item.kind == SourceValue::Kind::kArray) {
      rows.push_back(ReadRow(item, *choices[i]));
      continue;
    }
    const TableReader table(item, "a block", {"name", "candidates", "alphas"});
    CheckNames(table, *choices[i]);
    rows.push_back(ReadRow(table.Require("alphas", "an array of numbers"), *choices[i]));
  }
  return rows;
}

}  // namespace nasengine
