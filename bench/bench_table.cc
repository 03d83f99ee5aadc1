// `bench search-table`: Proxyless-R and random search on a table of trained networks, accuracy
// against queries over many seeds.
// SPDX-License-Identifier: MIT
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <regex>

#include "bench/commands.h"
#include "bench/document.h"
#include "bench/table_search.h"
#include "kernels/core/error.h"
#include "kernels/core/file_io.h"

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kReward[] = "proxyless-r";
constexpr char kRandom[] = "random";
constexpr std::uint32_t kSeeds = 100;
constexpr int kBudgets[] = {10, 20, 50, 100, 200, 300, 500};
constexpr int kMostQueries = 500;

// The published rate of 1e-3 is for 35,700 updates; here there are 50, and an Adam step moves an
// alpha by about the rate. Not tuned.
constexpr ReinforceConfig kReinforce{.samples = 10, .baseline_weight = 0.99, .alpha_lr = 0.1};

struct Task {
  const char* name;
  const char* search_column;
  const char* final_column;
};
// Every task is searched by validation accuracy after 12 epochs and judged by test accuracy after
// 200.
constexpr Task kTasks[] = {{"cifar10", "c10_val_12ep", "c10_test_200ep"},
                           {"cifar100", "c100_val_12ep", "c100_test_200ep"},
                           {"imagenet16-120", "in16_val_12ep", "in16_test_200ep"}};

struct Spread {
  double mean = 0;
  double deviation = 0;  // between seeds
  double worst = 1;
  double best = 0;
  int at_optimum = 0;  // seeds that found the best network of the table
};

Spread SpreadOf(const std::vector<QueryTrace>& traces, int queries, double optimum) {
  Spread spread;
  double squares = 0;
  const auto count = static_cast<double>(traces.size());
  for (const QueryTrace& trace : traces) {
    const double top1 = trace.found_top1[static_cast<std::size_t>(queries - 1)];
    spread.mean += top1 / count;
    spread.worst = std::min(spread.worst, top1);
    spread.best = std::max(spread.best, top1);
    spread.at_optimum += top1 == optimum;
  }
  for (const QueryTrace& trace : traces) {
    const double top1 = trace.found_top1[static_cast<std::size_t>(queries - 1)];
    squares += (top1 - spread.mean) * (top1 - spread.mean);
  }
  spread.deviation = std::sqrt(squares / (count - 1));
  return spread;
}

// Mean accuracy of the ten queries up to `queries`: where the search is looking.
double MeanAsked(const std::vector<QueryTrace>& traces, int queries) {
  double sum = 0;
  for (const QueryTrace& trace : traces) {
    for (int i = queries - 10; i < queries; ++i) {
      sum += trace.asked_top1[static_cast<std::size_t>(i)];
    }
  }
  return sum / (10.0 * static_cast<double>(traces.size()));
}

std::string RowName(const Task& task, const char* algorithm, int queries) {
  return fmt::format("{} {} {}", task.name, algorithm, queries);
}

bool IsWanted(const std::string& name, const BenchOptions& options) {
  return std::regex_search(name, std::regex(options.filter));
}
std::vector<std::string> RowNames(const Task& task) {
  std::vector<std::string> names;
  for (const int queries : kBudgets) {
    names.push_back(RowName(task, kReward, queries));
    names.push_back(RowName(task, kRandom, queries));
  }
  return names;
}

bool AnyIsWanted(const Task& task, const BenchOptions& options) {
  return std::ranges::any_of(RowNames(task),
                             [&](const std::string& name) { return IsWanted(name, options); });
}

void RunAlgorithm(const Task& task, const char* algorithm, const std::vector<QueryTrace>& traces,
                  double optimum, const BenchOptions& options, Json& rows) {
  for (const int queries : kBudgets) {
    const std::string name = RowName(task, algorithm, queries);
    if (!IsWanted(name, options)) continue;
    const Spread spread = SpreadOf(traces, queries, optimum);
    const double asked = MeanAsked(traces, queries);
    rows.push_back({{"name", name},
                    {"algorithm", algorithm},
                    {"queries", queries},
                    {"seeds", traces.size()},
                    {"mean_top1", 100 * spread.mean},
                    {"deviation_top1", 100 * spread.deviation},
                    {"worst_top1", 100 * spread.worst},
                    {"best_top1", 100 * spread.best},
                    {"at_optimum", spread.at_optimum},
                    {"mean_asked_top1", 100 * asked}});
    if (options.json) continue;
    fmt::print("  {:<14}{:>8}{:>10.2f}{:>8.2f}{:>9.2f}{:>9.2f}{:>12}{:>12.2f}\n", algorithm,
               queries, 100 * spread.mean, 100 * spread.deviation, 100 * spread.worst,
               100 * spread.best, spread.at_optimum, 100 * asked);
  }
}

void RunTask(Workbench& bench, const Task& task, const std::string& csv,
             const BenchOptions& options, Json& rows) {
  const ArchitectureTable table(csv, options.table, task.search_column, task.final_column);
  const double optimum = table.BestFinalTop1();
  if (!options.json) {
    fmt::print("\n{}: {} networks, the best {:.2f} % test; {} seeds\n", task.name, table.networks(),
               100 * optimum, kSeeds);
    fmt::print("  {:<14}{:>8}{:>10}{:>8}{:>9}{:>9}{:>12}{:>12}\n", "algorithm", "queries", "test %",
               "+-", "worst", "best", "at optimum", "asked val %");
  }
  std::vector<QueryTrace> reinforce;
  std::vector<QueryTrace> random;
  for (std::uint32_t seed = 1; seed <= kSeeds; ++seed) {
    ReinforceConfig config = kReinforce;
    config.seed = seed;
    reinforce.push_back(SearchByReinforce(bench.context(), table, config, kMostQueries));
    random.push_back(SearchAtRandom(table, seed, kMostQueries));
  }
  RunAlgorithm(task, kReward, reinforce, optimum, options, rows);
  RunAlgorithm(task, kRandom, random, optimum, options, rows);
}

}  // namespace

std::vector<std::string> TableRowNames(const BenchOptions& /*options*/) {
  std::vector<std::string> names;
  for (const Task& task : kTasks) {
    for (std::string& name : RowNames(task)) names.push_back(std::move(name));
  }
  return names;
}

Json BenchTable(const BenchOptions& options) {
  NAS_CHECK(!options.table.empty(), "search-table: --table FILE is missing");
  const std::string csv = ReadFile(options.table);
  Workbench bench(options.threads);
  Json document = MakeDocument("search-table", bench);
  if (!options.json) PrintMachine(bench);
  for (const Task& task : kTasks) {
    if (AnyIsWanted(task, options)) RunTask(bench, task, csv, options, document["rows"]);
  }
  return document;
}

}  // namespace nasengine
