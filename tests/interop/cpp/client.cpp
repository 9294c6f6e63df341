#include "client.h"

#include <random>
#include <stdexcept>

void check(bool condition, const std::string &what)
{
    if (!condition)
        throw std::runtime_error(what);
}

void check_ok(const grpc::Status &status)
{
    check(status.ok(), "not OK: " + status.error_message());
}

void check_refused(const grpc::Status &status, grpc::StatusCode code,
                   const std::vector<std::string> &words)
{
    const std::string text = std::to_string(status.error_code()) + " " + status.error_message();
    check(status.error_code() == code, "status " + text);
    for (const std::string &word : words)
        check(text.find(word) != std::string::npos, "no " + word + " in: " + text);
}

std::uint64_t fresh_user()
{
    static std::uint64_t last = static_cast<std::uint64_t>(std::random_device()()) << 24;
    return ++last;
}

Context::Context(std::chrono::microseconds time)
{
    set_deadline(std::chrono::system_clock::now() + time);
}

Client::Client(const std::string &address)
    : channel(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
      scoring(vql::v1::Scoring::NewStub(channel)),
      history(vql::v1::History::NewStub(channel)),
      models(vql::v1::Models::NewStub(channel)),
      health(grpc::health::v1::Health::NewStub(channel))
{
}

grpc::Status Client::score(const vql::v1::ScoreRequest &request, vql::v1::ScoreResponse *response)
{
    Context context;
    return scoring->Score(&context, request, response);
}

grpc::Status Client::append(const vql::v1::AppendRequest &request,
                            vql::v1::AppendResponse *response)
{
    Context context;
    return history->Append(&context, request, response);
}

vql::v1::ScoreRequest score_request(std::uint64_t user, int candidates)
{
    vql::v1::ScoreRequest request;
    request.set_user_id(user);
    for (int i = 0; i < candidates; i++)
        request.add_item_ids(static_cast<std::uint64_t>(i + 1));
    return request;
}

vql::v1::AppendRequest append_request(std::uint64_t user, int events)
{
    vql::v1::AppendRequest request;
    request.set_user_id(user);
    for (int i = 0; i < events; i++) {
        vql::v1::Event *event = request.add_events();
        event->set_item_id(static_cast<std::uint64_t>(i + 1));
        event->set_time_ms(i + 1);
    }
    return request;
}
