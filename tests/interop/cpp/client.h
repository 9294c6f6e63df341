// A gRPC client of vqld, made of the .proto files, and what every test asks of its answers.
#ifndef VQL_TESTS_CLIENT_H
#define VQL_TESTS_CLIENT_H

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "grpc/health/v1/health.grpc.pb.h"
#include "vql/v1/history.grpc.pb.h"
#include "vql/v1/models.grpc.pb.h"
#include "vql/v1/scoring.grpc.pb.h"

constexpr int max_candidates = 10000; // as run.py configures the server
constexpr std::size_t max_message_bytes = 4 << 20;
constexpr std::chrono::seconds call_time(180); // a call that takes longer hangs

// Throw std::runtime_error when the condition is false; when the status is not OK; when it is not
// the code, or one of the words is missing from its text.
void check(bool condition, const std::string &what);
void check_ok(const grpc::Status &status);
void check_refused(const grpc::Status &status, grpc::StatusCode code,
                   const std::vector<std::string> &words);

// The id of a user that the server has not heard of.
std::uint64_t fresh_user();

// A call's context with a deadline.
class Context : public grpc::ClientContext {
  public:
    explicit Context(std::chrono::microseconds time = call_time);
};

// One connection, and the services over it.
struct Client {
    explicit Client(const std::string &address);

    grpc::Status score(const vql::v1::ScoreRequest &request, vql::v1::ScoreResponse *response);
    grpc::Status append(const vql::v1::AppendRequest &request, vql::v1::AppendResponse *response);

    std::shared_ptr<grpc::Channel> channel;
    std::unique_ptr<vql::v1::Scoring::Stub> scoring;
    std::unique_ptr<vql::v1::History::Stub> history;
    std::unique_ptr<vql::v1::Models::Stub> models;
    std::unique_ptr<grpc::health::v1::Health::Stub> health;
};

vql::v1::ScoreRequest score_request(std::uint64_t user, int candidates);
vql::v1::AppendRequest append_request(std::uint64_t user, int events);

#endif
