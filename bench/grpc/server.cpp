// vql.v1.Scoring/Score by gRPC's own C++ server, over the same core, for bench/transport.py.
//
//   bench_grpc_server MODEL PORT
//
// The fastest of its interfaces: one thread on one completion queue, with calls that are posted
// beforehand and their messages used again.

#include <grpcpp/grpcpp.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "vql/v1/scoring.grpc.pb.h"

extern "C" {
#include "vql/catalog.h"
#include "vql/model.h"
#include "vql/scorer.h"
}

namespace {

constexpr int kPosted = 512;  // calls that wait for a request at once

// The core, as vqld uses it for a user without a history.
class Core {
public:
    explicit Core(const char *path)
    {
        std::ifstream file(path, std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(file), {}};
        vql_error error;
        if (vql_model_parse(bytes.data(), bytes.size(), nullptr, &model_, &error) != VQL_OK ||
            vql_catalog_build(model_, SIZE_MAX / 2, nullptr, &catalog_, &error) != VQL_OK ||
            vql_scorer_new(catalog_, nullptr, &scorer_) != VQL_OK) {
            std::cerr << path << ": " << error.text << '\n';
            std::exit(EXIT_FAILURE);
        }
    }

    void score(const vql::v1::ScoreRequest &request, vql::v1::ScoreResponse *response)
    {
        const vql_shape *shape = vql_model_shape(model_);
        const int count = request.item_ids_size();
        response->mutable_scores()->Resize(count * static_cast<int>(shape->tasks), 0.0F);
        vql_scorer_begin(scorer_, nullptr, request.time_ms());
        const size_t unknown =
            vql_scorer_run(scorer_, request.item_ids().data(), static_cast<size_t>(count),
                           response->mutable_scores()->mutable_data());
        for (uint32_t task = 0; task < shape->tasks; task++)
            response->add_tasks(vql_model_task(model_, task));
        response->set_model(vql_model_name(model_));
        response->set_unknown_items(static_cast<uint32_t>(unknown));
        response->set_unknown_user(true);
    }

private:
    vql_model *model_ = nullptr;
    vql_catalog *catalog_ = nullptr;
    vql_scorer *scorer_ = nullptr;
};

// One call after the other.
class Call {
public:
    Call(vql::v1::Scoring::AsyncService *service, grpc::ServerCompletionQueue *queue, Core *core)
        : service_(service), queue_(queue), core_(core)
    {
        post();
    }

    void proceed(bool ok)
    {
        if (answered_ || !ok) {
            post();
            return;
        }
        core_->score(request_, &response_);
        answered_ = true;
        writer_->Finish(response_, grpc::Status::OK, this);
    }

private:
    void post()
    {
        answered_ = false;
        writer_.reset();
        context_.emplace();
        request_.Clear();
        response_.Clear();
        writer_.emplace(&*context_);
        service_->RequestScore(&*context_, &request_, &*writer_, queue_, queue_, this);
    }

    vql::v1::Scoring::AsyncService *service_;
    grpc::ServerCompletionQueue *queue_;
    Core *core_;
    std::optional<grpc::ServerContext> context_;
    std::optional<grpc::ServerAsyncResponseWriter<vql::v1::ScoreResponse>> writer_;
    vql::v1::ScoreRequest request_;
    vql::v1::ScoreResponse response_;
    bool answered_ = false;
};

}  // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: bench_grpc_server MODEL PORT\n";
        return EXIT_FAILURE;
    }
    Core core(argv[1]);
    vql::v1::Scoring::AsyncService service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:" + std::string(argv[2]),
                             grpc::InsecureServerCredentials());
    builder.RegisterService(&service);
    const auto queue = builder.AddCompletionQueue();
    const auto server = builder.BuildAndStart();
    if (!server) {
        std::cerr << "port " << argv[2] << " cannot be used\n";
        return EXIT_FAILURE;
    }
    std::vector<std::unique_ptr<Call>> calls;
    for (int i = 0; i < kPosted; i++)
        calls.push_back(std::make_unique<Call>(&service, queue.get(), &core));
    void *call;
    bool ok;
    while (queue->Next(&call, &ok))
        static_cast<Call *>(call)->proceed(ok);
    return EXIT_SUCCESS;
}
