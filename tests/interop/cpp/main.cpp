// vqld as gRPC's C++ library sees it. Every test is a function that throws; the last line says how
// many passed and failed.

#include <cstdlib>
#include <exception>
#include <iostream>
#include <thread>

#include "client.h"

using grpc::StatusCode;
using namespace vql::v1;

namespace {

void unary(Client &client)
{
    const uint64_t user = fresh_user();
    AppendResponse appended;
    check_ok(client.append(append_request(user, 5), &appended));
    check(appended.sequence() == 5 && appended.appended() == 5, "5 events appended");
    check(appended.durability() == MEMORY, "durability");

    ScoreRequest request = score_request(user, 3);
    request.add_item_ids(999999999999);
    request.set_min_sequence(5);
    ScoreResponse scored;
    check_ok(client.score(request, &scored));
    check(scored.scores_size() == 4 * scored.tasks_size(), "N * T scores");
    check(scored.sequence() == 5 && !scored.unknown_user(), "the history is seen");
    check(scored.unknown_items() == 1, "an unknown item");
    for (float score : scored.scores())
        check(score > 0.0F && score < 1.0F, "a probability");

    GetRequest get;
    get.set_user_id(user);
    get.set_max_events(2);
    GetResponse state;
    Context get_context;
    check_ok(client.history->Get(&get_context, get, &state));
    check(state.events_size() == 2 && state.events(0).sequence() == 5, "newest first");

    DeleteRequest erase;
    erase.set_user_id(user);
    DeleteResponse erased;
    Context delete_context;
    check_ok(client.history->Delete(&delete_context, erase, &erased));
    check(erased.events() == 5, "5 events deleted");
}

void append_stream(Client &client)
{
    constexpr int messages = 3000;
    constexpr int users = 64;
    const uint64_t first_user = fresh_user() << 8;
    Context context;
    auto stream = client.history->AppendStream(&context);
    std::thread writer([&] {
        for (int i = 0; i < messages; i++)
            stream->Write(append_request(first_user + static_cast<uint64_t>(i % users), 1));
        stream->WritesDone();
    });
    int answers = 0;
    bool in_order = true;
    AppendResponse response;
    for (; stream->Read(&response); answers++)
        in_order = in_order && response.sequence() == static_cast<uint64_t>(answers / users + 1);
    writer.join();
    check_ok(stream->Finish());
    check(answers == messages && in_order, "one answer a request, in order");
}

void score_stream(Client &client)
{
    constexpr int messages = 3000;
    Context context;
    auto stream = client.scoring->ScoreStream(&context);
    std::thread writer([&] {
        for (int i = 0; i < messages; i++)
            stream->Write(score_request(fresh_user(), 1 + i % 7));
        stream->WritesDone();
    });
    int answers = 0;
    bool in_order = true;
    ScoreResponse response;
    for (; stream->Read(&response); answers++)
        in_order = in_order && response.scores_size() == (1 + answers % 7) * response.tasks_size();
    writer.join();
    check_ok(stream->Finish());
    check(answers == messages && in_order, "one answer a request, in order");
}

void refused_stream(Client &client)
{
    const uint64_t user = fresh_user();
    AppendRequest bad = append_request(user, 2);
    bad.mutable_events(1)->set_type(4000000);
    Context context;
    auto stream = client.history->AppendStream(&context);
    stream->Write(append_request(user, 1));
    stream->Write(bad);
    AppendResponse response;
    check(stream->Read(&response) && response.sequence() == 1, "the answer before the refusal");
    check(!stream->Read(&response), "no answer to what is refused");
    check_refused(stream->Finish(), StatusCode::INVALID_ARGUMENT, {"type", "4000000"});
    check_ok(client.append(append_request(user, 0), &response));
    check(response.sequence() == 1, "a refused append has appended nothing");
}

void cancelled_stream(Client &client)
{
    Context context;
    auto stream = client.scoring->ScoreStream(&context);
    stream->Write(score_request(fresh_user(), 100));
    ScoreResponse response;
    check(stream->Read(&response), "an answer");
    stream->Write(score_request(fresh_user(), max_candidates));
    context.TryCancel();
    while (stream->Read(&response))
        continue;
    check_refused(stream->Finish(), StatusCode::CANCELLED, {});
    check_ok(client.score(score_request(fresh_user(), 1), &response));
}

void most_candidates(Client &client)
{
    ScoreResponse response;
    check_ok(client.score(score_request(fresh_user(), max_candidates), &response));
    check(response.scores_size() == max_candidates * response.tasks_size(), "N * T scores");
    check_refused(client.score(score_request(fresh_user(), max_candidates + 1), &response),
                  StatusCode::RESOURCE_EXHAUSTED, {"item_ids", std::to_string(max_candidates)});
}

void deadline(Client &client)
{
    const ScoreRequest request = score_request(fresh_user(), max_candidates);
    ScoreResponse response;
    for (int time_us : {-1000, 1, 200, 500, 1000, 2000, 5000}) {
        Context context{std::chrono::microseconds(time_us)};
        const grpc::Status status = client.scoring->Score(&context, request, &response);
        if (time_us < 0 || !status.ok()) // gRPC counts in milliseconds
            check_refused(status, StatusCode::DEADLINE_EXCEEDED, {});
    }
    Context context(std::chrono::milliseconds(300));
    auto stream = client.scoring->ScoreStream(&context);
    check(!stream->Read(&response), "no answer without a request");
    check_refused(stream->Finish(), StatusCode::DEADLINE_EXCEEDED, {});
    check_ok(client.score(request, &response));
}

void errors(Client &client)
{
    ScoreResponse response;
    const uint64_t user = fresh_user();
    check_refused(client.score(score_request(user, 0), &response), StatusCode::INVALID_ARGUMENT,
                  {"item_ids"});
    ScoreRequest early = score_request(user, 1);
    early.set_time_ms(-9);
    check_refused(client.score(early, &response), StatusCode::INVALID_ARGUMENT, {"time_ms", "-9"});
    ScoreRequest elsewhere = score_request(user, 1);
    elsewhere.set_model("missing");
    check_refused(client.score(elsewhere, &response), StatusCode::NOT_FOUND, {"model", "missing"});
    ScoreRequest ahead = score_request(user, 1);
    ahead.set_min_sequence(7777);
    check_refused(client.score(ahead, &response), StatusCode::FAILED_PRECONDITION, {"7777"});
    ScoreRequest large = score_request(user, 1);
    large.set_model(std::string(max_message_bytes - 200, 'x'));
    check_refused(client.score(large, &response), StatusCode::NOT_FOUND, {"model"});
    large.set_model(std::string(max_message_bytes, 'x'));
    check_refused(client.score(large, &response), StatusCode::RESOURCE_EXHAUSTED,
                  {std::to_string(max_message_bytes)});
}

void health(Client &client)
{
    using grpc::health::v1::HealthCheckRequest;
    using grpc::health::v1::HealthCheckResponse;
    HealthCheckRequest request;
    HealthCheckResponse response;
    request.set_service("vql.v1.Scoring");
    Context check_context;
    check_ok(client.health->Check(&check_context, request, &response));
    check(response.status() == HealthCheckResponse::SERVING, "Check: SERVING");

    Context watch_context;
    auto watch = client.health->Watch(&watch_context, request);
    check(watch->Read(&response) && response.status() == HealthCheckResponse::SERVING,
          "Watch: SERVING");
    watch_context.TryCancel();
    check_refused(watch->Finish(), StatusCode::CANCELLED, {});

    request.set_service("missing");
    Context missing_context;
    check_refused(client.health->Check(&missing_context, request, &response),
                  StatusCode::NOT_FOUND, {});
}

struct Test {
    const char *name;
    void (*run)(Client &client);
};

constexpr Test tests[] = {
    {"unary", unary},
    {"append_stream", append_stream},
    {"score_stream", score_stream},
    {"refused_stream", refused_stream},
    {"cancelled_stream", cancelled_stream},
    {"most_candidates", most_candidates},
    {"deadline", deadline},
    {"errors", errors},
    {"health", health},
};

bool passes(const Test &test, Client &client)
{
    try {
        test.run(client);
        return true;
    } catch (const std::exception &error) {
        std::cout << test.name << ": " << error.what() << '\n';
        return false;
    }
}

} // namespace

int main()
{
    const char *address = std::getenv("INTEROP_SERVER");
    if (address == nullptr) {
        std::cerr << "INTEROP_SERVER is not set: run.py runs this program\n";
        return EXIT_FAILURE;
    }
    Client client(address);
    int passed = 0;
    int failed = 0;
    for (const Test &test : tests)
        ++(passes(test, client) ? passed : failed);
    std::cout << passed << " passed, " << failed << " failed\n";
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
