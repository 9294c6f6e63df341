// Appends an event to a user's history and scores items: client_cpp HOST:PORT USER ITEM...
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <random>
#include <thread>

#include <grpcpp/grpcpp.h>
#include "vql/v1/history.grpc.pb.h"
#include "vql/v1/scoring.grpc.pb.h"

constexpr int kAttempts = 5;

// Calls a method about one user, again when the server asks for it; ends the program otherwise.
template <typename Stub, typename Method, typename Request, typename Answer>
void call(Stub &stub, Method method, const Request &request, Answer *answer)
{
    for (int attempt = 1;; ++attempt) {
        grpc::ClientContext context;
        context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(1));
        context.AddMetadata("x-vql-user", std::to_string(request.user_id())); // for proxies
        if (const char *token = std::getenv("VQL_TOKEN"))
            context.AddMetadata("authorization", std::string("Bearer ") + token);
        const grpc::Status status = (stub.*method)(&context, request, answer);
        if (status.ok())
            return;
        std::cerr << "status " << status.error_code() << ": " << status.error_message() << '\n';
        const auto &trailers = context.GetServerTrailingMetadata();
        const auto found = trailers.find("grpc-retry-pushback-ms");
        const auto text = found != trailers.end() ? found->second : grpc::string_ref("-1");
        const std::chrono::milliseconds wait(std::stol({text.data(), text.size()}));
        if (wait.count() < 0 || attempt == kAttempts)
            std::exit(1);
        std::this_thread::sleep_for(wait);
    }
}

int main(int argc, char **argv)
{
    if (argc < 4)
        return std::cerr << "client_cpp HOST:PORT USER ITEM...\n", 2;
    const auto channel = grpc::CreateChannel(argv[1], grpc::InsecureChannelCredentials());
    vql::v1::AppendRequest append;
    vql::v1::ScoreRequest score;
    append.set_user_id(std::stoull(argv[2]));
    score.set_user_id(append.user_id());
    for (int i = 3; i < argc; ++i)
        score.add_item_ids(std::stoull(argv[i]));
    vql::v1::Event *event = append.add_events();
    event->set_item_id(score.item_ids(0));
    event->set_time_ms(std::time(nullptr) * 1000);
    event->set_id((std::uint64_t{std::random_device()()} << 32) + 1); // applied once
    vql::v1::AppendResponse appended;
    call(*vql::v1::History::NewStub(channel), &vql::v1::History::Stub::Append, append, &appended);
    std::cout << "sequence " << appended.sequence() << '\n';
    vql::v1::ScoreResponse scored;
    call(*vql::v1::Scoring::NewStub(channel), &vql::v1::Scoring::Stub::Score, score, &scored);
    for (int i = 0; i < scored.scores_size(); ++i) // a score for each task
        std::cout << score.item_ids(i / scored.tasks_size()) << ' ' << scored.scores(i) << '\n';
}
