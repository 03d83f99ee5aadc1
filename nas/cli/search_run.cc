// SPDX-License-Identifier: MIT
#include "nas/cli/search_run.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "data/data_source.h"
#include "data/loader.h"
#include "data/sampler.h"
#include "kernels/core/timer.h"
#include "nas/cli/baselines.h"
#include "nas/cli/memory_budget.h"
#include "nas/cli/network_run.h"
#include "nas/cli/path_training.h"
#include "nas/cli/search_estimate.h"
#include "nas/cli/search_images.h"
#include "nas/cli/search_watch.h"
#include "nas/cli/session.h"
#include "nas/cli/step_recording.h"
#include "nas/config/machine.h"
#include "nas/latency/latency_model.h"
#include "nas/latency/latency_profiler.h"
#include "nas/latency/macs_table.h"
#include "nas/latency/table_file.h"
#include "nas/search/path_sampler.h"
#include "nas/search/searcher_factory.h"
#include "nas/space/counts.h"
#include "nas/space/space_file.h"
#include "nas/supernet/memory_plan.h"
#include "nas/supernet/prepare.h"
#include "nas/train/evaluator.h"
#include "nas/train/held_out_scorer.h"
#include "nas/train/recipe_images.h"
#include "nas/train/search_loop.h"

namespace nasengine {
namespace {

// One search from open data to a measured network; a member function a phase.
class SearchRun {
 public:
  SearchRun(const RunConfig& config, const SearchHooks& hooks);
  SearchSummary Run();

 private:
  void Announce(const std::string& message) const {
    if (hooks_.announce) hooks_.announce(message);
  }
  void PlanMemory();
  void ObtainTable();
  void BuildSupernet();
  void RecordSteps();
  void Estimate();
  std::unique_ptr<Searcher> NewSearcher();
  SearchSchedule ScheduleOf(const Recipe& recipe) const;
  void Search();
  void Choose();
  Evaluation EvaluatePath(std::span<const int> path);
  void TrainDerived();
  void TrainBaselines();

  PathTraining Training();
  bool table_is_of_this_machine() const;

  const RunConfig& config_;
  const SearchHooks& hooks_;
  const SearchAlgorithm& algorithm_;
  ComputeOptions compute_;
  Timer total_;
  Session session_;
  DataSource data_;
  SearchSpace space_;
  std::unique_ptr<SearchImages> images_;
  LatencyTable table_;
  std::unique_ptr<LatencyModel> model_;
  std::unique_ptr<Supernet> supernet_;
  std::unique_ptr<Searcher> searcher_;
  std::unique_ptr<SearchLoop> loop_;
  SearchEstimate estimate_;
  SearchSummary summary_;
  Path path_;
};

SearchRun::SearchRun(const RunConfig& config, const SearchHooks& hooks)
    : config_(config),
      hooks_(hooks),
      algorithm_(FindAlgorithm(config.algorithm)),
      compute_{.dtype = ParseDType(config.dtype)},
      session_({.device = config.device,
                .threads = config.threads > 0 ? config.threads : AvailableThreads(),
                .kernels = config.kernels}) {
  space_ = LoadSpace(config.space, config.width);
  space_.recipe = ResolveRecipe(config, space_.recipe);
  Announce(StrCat("data: ", config.data));
  if (const std::string note = DTypeNote(session_.backend(), compute_.dtype); !note.empty())
    Announce(note);
  data_ = OpenDataSource(config.data, session_.host_allocator());
  const ImageShape image = data_.train->image_shape();
  space_ = WithData(space_, {image.h, image.w, image.c}, data_.train->classes());
  data_.stats = NormalizationOf(space_.recipe.mean, space_.recipe.std, data_.stats);
}

SearchSummary SearchRun::Run() {
  summary_.algorithm = config_.algorithm;
  summary_.seed = config_.seed;
  summary_.device = config_.device;
  summary_.device_name = session_.backend().name();
  summary_.threads = session_.context().threads();
  summary_.dtype = config_.dtype;
  summary_.data = data_.name;
  summary_.space = space_.name;
  summary_.width = config_.width;
  summary_.objective = config_.objective.empty() ? Name(algorithm_.default_objective)
                                                 : std::string_view(config_.objective);
  images_ = std::make_unique<SearchImages>(data_, space_.recipe, algorithm_, config_.seed,
                                           session_.batch_memory());
  PlanMemory();
  ObtainTable();
  BuildSupernet();
  if (config_.profile_step) {
    RecordSteps();
    return summary_;
  }
  Estimate();
  if (config_.dry_run) return summary_;
  Search();
  summary_.stopped = hooks_.control.stopped();
  if (!summary_.stopped) TrainDerived();
  if (config_.baselines && !summary_.stopped) TrainBaselines();
  summary_.seconds.total = total_.seconds();
  return summary_;
}

Evaluation SearchRun::EvaluatePath(std::span<const int> path) {
  EvalBatches held_out = images_->HeldOut();
  return Evaluate(session_.context(), *supernet_, path, held_out);
}

void SearchRun::PlanMemory() {
  const std::int64_t budget =
      config_.memory_budget > 0 ? config_.memory_budget : session_.memory_budget();
  const SearchMemory memory = PlanWithinBudget(session_, space_, algorithm_, compute_.dtype,
                                               images_->held_out_images(), budget);
  for (const std::string& note : memory.notes) Announce(note);
  compute_ = memory.fit.compute;
  space_.recipe.micro_batch = compute_.micro_batch;
  estimate_.budget_bytes = budget;
  estimate_.peak_bytes = memory.fit.peak_bytes;
  estimate_.all_paths_bytes = memory.all_paths_bytes;
  estimate_.evaluation_bytes = memory.evaluation_bytes;
  summary_.planned_peak_bytes = memory.fit.peak_bytes;
  summary_.all_paths_peak_bytes = memory.all_paths_bytes;
}

void SearchRun::ObtainTable() {
  const Timer timer;
  if (config_.latency_table == "measure") {
    Announce(StrCat("measuring every layer of ", space_.name, " on ", summary_.device_name, ", ",
                    summary_.threads, " threads"));
    table_ = MeasureTable(session_.context(), DistinctKeys(space_), space_.batch_norm,
                          {.seed = config_.seed});
    summary_.latency_ms.table = "measured";
  } else {
    table_ = config_.latency_table == kMacsTableName
                 ? MacsTable(DistinctKeys(space_))
                 : LoadLatencyTable(config_.latency_table, config_.cost);
    summary_.latency_ms.table = config_.latency_table;
  }
  NAS_CHECK(!config_.reference_is_time || table_.cost.is_latency(),
            "--reference-latency: found a time, expected a number in ", table_.cost.unit,
            ", the unit of ", table_.cost.name);
  summary_.latency_ms.cost = table_.cost;
  estimate_.cost = table_.cost;
  model_ = std::make_unique<LatencyModel>(
      space_, table_,
      TableUse{.name = summary_.latency_ms.table, .classes = config_.latency_classes});
  summary_.seconds.profile = timer.seconds();
  if (hooks_.table_ready) hooks_.table_ready(table_);
}

void SearchRun::BuildSupernet() {
  supernet_ = std::make_unique<Supernet>(session_.context(), space_, compute_);
  supernet_->Initialize(config_.seed);
  std::vector<SizedStep> steps = SearchSteps(algorithm_, space_.recipe);
  const Recipe& recipe = space_.recipe;
  const PlannedStep weights = steps.front().step;
  for (const std::int64_t size : TrainingSizes(recipe, recipe.batch, images_->weight_images())) {
    if (size != recipe.batch) steps.push_back({weights, size});
  }
  for (const std::int64_t size :
       BatchSizes(images_->held_out_images(), recipe.validation_batch, SampleOrder::kSequential)) {
    steps.push_back({PlannedStep::kEvaluation, size});
  }
  PrepareSupernet(session_.context(), session_.allocator(), *supernet_, steps);
  summary_.latency_ms.reference = config_.reference_latency_ms.value_or(model_->ReferenceMs());
}

std::unique_ptr<Searcher> SearchRun::NewSearcher() {
  return algorithm_.make({.supernet = *supernet_,
                          .latency = model_.get(),
                          .objective = {.kind = ParseObjective(summary_.objective),
                                        .lambda = space_.recipe.latency_weight,
                                        .reference_ms = summary_.latency_ms.reference,
                                        .cost = table_.cost},
                          .recipe = space_.recipe,
                          .seed = config_.seed});
}

void SearchRun::RecordSteps() {
  Announce("repeating a step of each kind");
  const std::vector<RecordedStep> steps =
      RecordSearchSteps(session_.context(), *supernet_, *NewSearcher(), algorithm_, *images_);
  if (hooks_.recorded) hooks_.recorded(steps);
}

SearchSchedule SearchRun::ScheduleOf(const Recipe& recipe) const {
  return SearchSchedule(recipe, algorithm_.architecture_steps(recipe),
                        images_->weight_loader().batches_per_epoch(), config_.max_steps);
}

void SearchRun::Estimate() {
  // Searches end about their reference.
  const PathSampler within(space_, *model_, -std::numeric_limits<double>::infinity(),
                           summary_.latency_ms.reference);
  const auto derived = [&, rng = Rng(0, RngPurpose::kCalibration)](std::uint64_t step) {
    constexpr std::uint64_t kDraws = 1000;
    return within.FirstOf(rng, step * kDraws, kDraws).value_or(SmallestPath(space_));
  };
  const MeasuredSteps measured =
      MeasureSteps(session_.context(), *supernet_, *NewSearcher(), ScheduleOf(space_.recipe),
                   images_->weight_loader(), images_->arch_loader(), derived);
  const auto fit = [&](const Recipe& recipe) {
    const std::int64_t networks = config_.baselines ? 1 + kMostBaselines : 1;
    const SearchSchedule schedule = ScheduleOf(recipe);
    std::int64_t steps = recipe.train_epochs * images_->weight_loader().batches_per_epoch();
    if (config_.max_steps > 0) steps = std::min(steps, config_.max_steps);
    const std::int64_t epochs = (schedule.warmup_steps() + schedule.search_steps()) /
                                images_->weight_loader().batches_per_epoch();
    return EstimateSeconds(
        measured, schedule,
        {.validations = recipe.validate_every > 0 ? epochs / recipe.validate_every : 0,
         .training_steps = networks * steps,
         .profile_seconds = summary_.seconds.profile});
  };
  if (config_.time_budget_seconds > 0) {
    space_.recipe = FitToBudget(space_.recipe, config_.time_budget_seconds - total_.seconds(), fit);
  }
  const SearchSchedule schedule = ScheduleOf(space_.recipe);
  estimate_.recipe = space_.recipe;
  estimate_.objective = summary_.objective;
  estimate_.reference_latency_ms = summary_.latency_ms.reference;
  estimate_.seconds = fit(space_.recipe);
  estimate_.weight_steps = schedule.warmup_steps() + schedule.search_steps();
  estimate_.architecture_steps = schedule.architecture_steps();
  estimate_.scored_paths = measured.scored_paths;
  const ArchitectureSteps wanted = algorithm_.architecture_steps(space_.recipe);
  NAS_CHECK(wanted.count == 0 || estimate_.architecture_steps > 0,
            "search: ", schedule.search_steps(), " steps leave no architecture step (",
            wanted.count,
            wanted.per_weight_steps == 0 ? std::string(" an epoch")
                                         : StrCat(" for every ", wanted.per_weight_steps, " steps"),
            ", none in the first ", space_.recipe.arch_start_epoch,
            " epochs), so nothing would be searched; raise --epochs, lower "
            "--arch-every, or set arch_start_epoch in [recipe] to 0");
  searcher_ = NewSearcher();
  loop_ = std::make_unique<SearchLoop>(SearchParts{.context = session_.context(),
                                                   .allocator = session_.allocator(),
                                                   .supernet = *supernet_,
                                                   .searcher = *searcher_,
                                                   .weight_loader = images_->weight_loader(),
                                                   .arch_loader = images_->arch_loader()},
                                       space_.recipe, schedule);
  summary_.latency_ms.initial_expected = searcher_->ExpectedLatencyMs();
  summary_.initial_entropy = supernet_->MeanEntropy();
  if (hooks_.estimated) hooks_.estimated(estimate_);
}

void SearchRun::Search() {
  Announce("searching");
  SearchWatch watch({.hooks = hooks_,
                     .space = space_,
                     .supernet = *supernet_,
                     .latency = *model_,
                     .knobs = algorithm_.knobs,
                     .allocator = session_.allocator(),
                     .evaluate = [this](std::span<const int> path) { return EvaluatePath(path); }},
                    estimate_.architecture_steps, summary_);
  const SearchTimes times = loop_->Run(watch.Control());
  watch.Finish();
  summary_.seconds.warmup = times.warmup_seconds;
  summary_.seconds.search = times.search_seconds;
  Choose();
  summary_.final_entropy = supernet_->MeanEntropy();
  summary_.latency_ms.expected = searcher_->ExpectedLatencyMs();
  summary_.latency_ms.predicted = model_->PathMs(path_);
  summary_.network = Derive(space_, path_);
  const Counts counts = CountNetwork(summary_.network);
  summary_.parameters = counts.parameters;
  summary_.macs = counts.macs;
  if (hooks_.searched) hooks_.searched(space_, supernet_->AlphasByBlock());
  if (hooks_.derived) hooks_.derived(summary_.network);
  summary_.supernet_top1 = EvaluatePath(path_).top1;
}

void SearchRun::Choose() {
  EvalBatches held_out = images_->HeldOut();
  if (estimate_.scored_paths > 0) {
    Announce(StrCat("comparing ", estimate_.scored_paths, " paths on ", held_out.images(),
                    " held-out images"));
  }
  const Timer timer;
  HeldOutScorer scorer({.context = session_.context(),
                        .allocator = session_.allocator(),
                        .supernet = *supernet_,
                        .batches = held_out},
                       estimate_.scored_paths,
                       space_.recipe.warmup_epochs + space_.recipe.search_epochs, hooks_.control);
  path_ = searcher_->Choose(scorer);
  summary_.seconds.search += timer.seconds();
}

PathTraining SearchRun::Training() {
  return PathTraining({.config = config_,
                       .recipe = space_.recipe,
                       .session = session_,
                       .data = data_,
                       .split = images_->split(),
                       .supernet = *supernet_,
                       .train_loader = images_->BeginTraining()});
}

void SearchRun::TrainDerived() {
  Announce("training the derived network");
  const PathTraining training = Training();
  const std::unique_ptr<Network> network =
      training.Train(path_, hooks_.control, &summary_.seconds.train);
  if (hooks_.trained) hooks_.trained(session_.context(), *network);
  summary_.stopped = hooks_.control.stopped();
  if (summary_.stopped) return;
  Announce("the one look at the test set");
  summary_.validation_top1 = training.Validate(*network);
  summary_.test_top1 = training.Test(*network);
  if (table_is_of_this_machine()) {
    const NetworkTiming measured = training.Measure(*network);
    summary_.latency_ms.measured = measured.whole.median;
    summary_.latency_ms.measured_mad = measured.whole.mad;
    summary_.latency_ms.sum_of_layers = measured.sum_of_layers_ms;
  }
}

void SearchRun::TrainBaselines() {
  summary_.baselines.push_back({.kind = "found",
                                .architecture = summary_.network.architecture,
                                .parameters = summary_.parameters,
                                .macs = summary_.macs,
                                .predicted_ms = summary_.latency_ms.predicted,
                                .measured_ms = summary_.latency_ms.measured,
                                .validation_top1 = *summary_.validation_top1,
                                .test_top1 = *summary_.test_top1});
  const PathTraining training = Training();
  // Their steps stay out of the log, which is the found network's.
  LoopControl control = hooks_.control;
  control.observe = nullptr;
  for (const BaselinePath& baseline :
       BaselinePaths(space_, *model_, summary_.latency_ms.predicted, config_.seed)) {
    Announce(StrCat("training for comparison: ", baseline.kind));
    const std::unique_ptr<Network> network = training.Train(baseline.path, control, nullptr);
    summary_.stopped = hooks_.control.stopped();
    if (summary_.stopped) return;
    const Counts counts = CountNetwork(network->desc());
    summary_.baselines.push_back(
        {.kind = baseline.kind,
         .architecture = network->desc().architecture,
         .parameters = counts.parameters,
         .macs = counts.macs,
         .predicted_ms = model_->PathMs(baseline.path),
         .measured_ms = table_is_of_this_machine() ? training.Measure(*network).whole.median : 0,
         .validation_top1 = training.Validate(*network),
         .test_top1 = training.Test(*network)});
  }
}

bool SearchRun::table_is_of_this_machine() const {
  return table_.cost.is_latency() && table_.device == summary_.device_name &&
         table_.threads == summary_.threads;
}

}  // namespace

SearchSummary RunSearch(const RunConfig& config, const SearchHooks& hooks) {
  return SearchRun(config, hooks).Run();
}

}  // namespace nasengine
