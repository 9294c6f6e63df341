// The cases of gRPC's interoperability tests that need no credentials, as gRPC's C++ client has
// them: https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md.
// run_cases.py runs this program.

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "grpc/testing/test.grpc.pb.h"

// Of libgrpc, for its own tests: the flags of the last message that came, among them
// GRPC_WRITE_INTERNAL_TEST_ONLY_WAS_COMPRESSED.
std::uint32_t grpc_call_test_only_get_message_flags(grpc_call *call);
constexpr std::uint32_t was_compressed_flag = 0x40000000;

namespace grpc::testing {
// A friend of the context, by which gRPC's own cases look at a call.
class InteropClientContextInspector {
  public:
    static bool was_compressed(const ClientContext &context)
    {
        return grpc_call_test_only_get_message_flags(context.call_) & was_compressed_flag;
    }
};
} // namespace grpc::testing

namespace {
using namespace grpc::testing;
using Inspector = InteropClientContextInspector;

constexpr int large_request = 271828;
constexpr int large_response = 314159;
constexpr auto call_time = std::chrono::seconds(60);

void check(bool condition, const std::string &what)
{
    if (!condition)
        throw std::runtime_error(what);
}

void check_ok(const grpc::Status &status)
{
    check(status.ok(), std::to_string(status.error_code()) + ": " + status.error_message());
}

void check_code(const grpc::Status &status, grpc::StatusCode code)
{
    check(status.error_code() == code,
          "status " + std::to_string(status.error_code()) + ": " + status.error_message());
}

void check_size(const Payload &payload, std::size_t size)
{
    check(payload.body() == std::string(size, '\0'),
          "payload of " + std::to_string(payload.body().size()) + " bytes, not " +
              std::to_string(size) + " zeros");
}

struct Context : grpc::ClientContext {
    Context()
    {
        set_deadline(std::chrono::system_clock::now() + call_time);
    }
};

using Stub = TestService::Stub;

std::string zeros(std::size_t size)
{
    return std::string(size, '\0');
}

SimpleRequest large_unary_request()
{
    SimpleRequest request;
    request.set_response_size(large_response);
    request.mutable_payload()->set_body(zeros(large_request));
    return request;
}

StreamingOutputCallRequest output_request(const std::vector<int> &sizes, std::size_t payload)
{
    StreamingOutputCallRequest request;
    for (int size : sizes)
        request.add_response_parameters()->set_size(size);
    if (payload > 0)
        request.mutable_payload()->set_body(zeros(payload));
    return request;
}

void empty_unary(Stub &stub)
{
    Context context;
    Empty answer;
    check_ok(stub.EmptyCall(&context, Empty(), &answer));
    check(answer.ByteSizeLong() == 0, "the answer is not empty");
}

void large_unary(Stub &stub)
{
    Context context;
    SimpleResponse answer;
    check_ok(stub.UnaryCall(&context, large_unary_request(), &answer));
    check_size(answer.payload(), large_response);
}

grpc::Status compressed_unary(Stub &stub, bool compressed, bool expected, SimpleResponse *answer)
{
    Context context;
    context.set_compression_algorithm(compressed ? GRPC_COMPRESS_GZIP : GRPC_COMPRESS_NONE);
    SimpleRequest request = large_unary_request();
    request.mutable_expect_compressed()->set_value(expected);
    return stub.UnaryCall(&context, request, answer);
}

void client_compressed_unary(Stub &stub)
{
    SimpleResponse answer;
    check_code(compressed_unary(stub, false, true, &answer), grpc::StatusCode::INVALID_ARGUMENT);
    for (bool compressed : {true, false}) {
        check_ok(compressed_unary(stub, compressed, compressed, &answer));
        check_size(answer.payload(), large_response);
    }
}

void server_compressed_unary(Stub &stub)
{
    for (bool compressed : {true, false}) {
        Context context;
        SimpleResponse answer;
        SimpleRequest request = large_unary_request();
        request.mutable_response_compressed()->set_value(compressed);
        check_ok(stub.UnaryCall(&context, request, &answer));
        check(Inspector::was_compressed(context) == compressed, "the answer's compressed flag");
        check_size(answer.payload(), large_response);
    }
}

void client_streaming(Stub &stub)
{
    Context context;
    StreamingInputCallResponse answer;
    auto stream = stub.StreamingInputCall(&context, &answer);
    for (int size : {27182, 8, 1828, 45904}) {
        StreamingInputCallRequest request;
        request.mutable_payload()->set_body(zeros(static_cast<std::size_t>(size)));
        check(stream->Write(request), "a write failed");
    }
    stream->WritesDone();
    check_ok(stream->Finish());
    check(answer.aggregated_payload_size() == 74922, "the payloads' size");
}

StreamingInputCallRequest input_request(bool compressed, std::size_t size)
{
    StreamingInputCallRequest request;
    request.mutable_expect_compressed()->set_value(compressed);
    request.mutable_payload()->set_body(zeros(size));
    return request;
}

void client_compressed_streaming(Stub &stub)
{
    const auto uncompressed = grpc::WriteOptions().set_no_compression();
    {
        Context context;
        StreamingInputCallResponse answer;
        context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
        auto probe = stub.StreamingInputCall(&context, &answer);
        probe->Write(input_request(true, 27182), uncompressed);
        probe->WritesDone();
        check_code(probe->Finish(), grpc::StatusCode::INVALID_ARGUMENT);
    }
    Context context;
    StreamingInputCallResponse answer;
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    auto stream = stub.StreamingInputCall(&context, &answer);
    check(stream->Write(input_request(true, 27182)), "a write failed");
    check(stream->Write(input_request(false, 45904), uncompressed), "a write failed");
    stream->WritesDone();
    check_ok(stream->Finish());
    check(answer.aggregated_payload_size() == 73086, "the payloads' size");
}

void server_streaming(Stub &stub)
{
    const std::vector<int> sizes = {31415, 9, 2653, 58979};
    Context context;
    auto stream = stub.StreamingOutputCall(&context, output_request(sizes, 0));
    StreamingOutputCallResponse answer;
    for (int size : sizes) {
        check(stream->Read(&answer), "an answer is missing");
        check_size(answer.payload(), static_cast<std::size_t>(size));
    }
    check(!stream->Read(&answer), "an answer too many");
    check_ok(stream->Finish());
}

void server_compressed_streaming(Stub &stub)
{
    const std::vector<std::pair<int, bool>> wanted = {{31415, true}, {92653, false}};
    StreamingOutputCallRequest request;
    for (const auto &[size, compressed] : wanted) {
        auto *parameters = request.add_response_parameters();
        parameters->set_size(size);
        parameters->mutable_compressed()->set_value(compressed);
    }
    Context context;
    auto stream = stub.StreamingOutputCall(&context, request);
    StreamingOutputCallResponse answer;
    for (const auto &[size, compressed] : wanted) {
        check(stream->Read(&answer), "an answer is missing");
        check(Inspector::was_compressed(context) == compressed, "an answer's compressed flag");
        check_size(answer.payload(), static_cast<std::size_t>(size));
    }
    check(!stream->Read(&answer), "an answer too many");
    check_ok(stream->Finish());
}

void ping_pong(Stub &stub)
{
    Context context;
    auto stream = stub.FullDuplexCall(&context);
    StreamingOutputCallResponse answer;
    for (const auto &[size, payload] :
         std::vector<std::pair<int, int>>{{31415, 27182}, {9, 8}, {2653, 1828}, {58979, 45904}}) {
        check(stream->Write(output_request({size}, static_cast<std::size_t>(payload))),
              "a write failed");
        check(stream->Read(&answer), "an answer is missing");
        check_size(answer.payload(), static_cast<std::size_t>(size));
    }
    stream->WritesDone();
    check(!stream->Read(&answer), "an answer too many");
    check_ok(stream->Finish());
}

void half_duplex(Stub &stub)
{
    Context context;
    auto stream = stub.HalfDuplexCall(&context);
    StreamingOutputCallResponse answer;
    for (int size : {1, 2, 3})
        check(stream->Write(output_request({size}, 0)), "a write failed");
    stream->WritesDone();
    for (std::size_t size : {1, 2, 3}) {
        check(stream->Read(&answer), "an answer is missing");
        check_size(answer.payload(), size);
    }
    check(!stream->Read(&answer), "an answer too many");
    check_ok(stream->Finish());
}

void empty_stream(Stub &stub)
{
    Context context;
    auto stream = stub.FullDuplexCall(&context);
    stream->WritesDone();
    StreamingOutputCallResponse answer;
    check(!stream->Read(&answer), "an answer");
    check_ok(stream->Finish());
}

void check_echo(const grpc::ClientContext &context)
{
    const auto &head = context.GetServerInitialMetadata();
    const auto &tail = context.GetServerTrailingMetadata();
    const auto initial = head.find("x-grpc-test-echo-initial");
    const auto trailing = tail.find("x-grpc-test-echo-trailing-bin");
    check(initial != head.end() && initial->second == "test_initial_metadata_value",
          "the initial metadata");
    check(trailing != tail.end() && trailing->second == "\xab\xab\xab", "the trailing metadata");
}

void add_echo(grpc::ClientContext *context)
{
    context->AddMetadata("x-grpc-test-echo-initial", "test_initial_metadata_value");
    context->AddMetadata("x-grpc-test-echo-trailing-bin", "\xab\xab\xab");
}

void custom_metadata(Stub &stub)
{
    {
        Context context;
        add_echo(&context);
        SimpleResponse answer;
        check_ok(stub.UnaryCall(&context, large_unary_request(), &answer));
        check_echo(context);
    }
    Context context;
    add_echo(&context);
    auto stream = stub.FullDuplexCall(&context);
    check(stream->Write(output_request({large_response}, large_request)), "a write failed");
    stream->WritesDone();
    StreamingOutputCallResponse answer;
    check(stream->Read(&answer), "an answer is missing");
    check_size(answer.payload(), large_response);
    check(!stream->Read(&answer), "an answer too many");
    check_ok(stream->Finish());
    check_echo(context);
}

void check_echoed_status(const grpc::Status &status, const std::string &message)
{
    check_code(status, grpc::StatusCode::UNKNOWN);
    check(status.error_message() == message, "the message: " + status.error_message());
}

grpc::Status unary_status(Stub &stub, const std::string &message)
{
    Context context;
    SimpleRequest request;
    SimpleResponse answer;
    request.mutable_response_status()->set_code(2);
    request.mutable_response_status()->set_message(message);
    return stub.UnaryCall(&context, request, &answer);
}

void status_code_and_message(Stub &stub)
{
    const std::string message = "test status message";
    check_echoed_status(unary_status(stub, message), message);
    Context context;
    StreamingOutputCallRequest request;
    request.mutable_response_status()->set_code(2);
    request.mutable_response_status()->set_message(message);
    auto stream = stub.FullDuplexCall(&context);
    stream->Write(request);
    stream->WritesDone();
    StreamingOutputCallResponse answer;
    check(!stream->Read(&answer), "an answer");
    check_echoed_status(stream->Finish(), message);
}

void special_status_message(Stub &stub)
{
    const std::string message = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP "
                                "\U0001F608\t\n";
    check_echoed_status(unary_status(stub, message), message);
}

void unimplemented_method(Stub &stub)
{
    Context context;
    Empty answer;
    check_code(stub.UnimplementedCall(&context, Empty(), &answer), grpc::StatusCode::UNIMPLEMENTED);
}

void cancel_after_begin(Stub &stub)
{
    Context context;
    StreamingInputCallResponse answer;
    auto stream = stub.StreamingInputCall(&context, &answer);
    context.TryCancel();
    check_code(stream->Finish(), grpc::StatusCode::CANCELLED);
}

void cancel_after_first_response(Stub &stub)
{
    Context context;
    auto stream = stub.FullDuplexCall(&context);
    check(stream->Write(output_request({31415}, 27182)), "a write failed");
    StreamingOutputCallResponse answer;
    check(stream->Read(&answer), "an answer is missing");
    check_size(answer.payload(), 31415);
    context.TryCancel();
    check_code(stream->Finish(), grpc::StatusCode::CANCELLED);
}

void timeout_on_sleeping_server(Stub &stub)
{
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(1));
    auto stream = stub.FullDuplexCall(&context);
    stream->Write(output_request({}, 27182));
    StreamingOutputCallResponse answer;
    stream->Read(&answer);
    check_code(stream->Finish(), grpc::StatusCode::DEADLINE_EXCEEDED);
}

// Observe ResponseParameters.interval_us: a server feature without a case of its own.
void pauses_between_answers(Stub &stub)
{
    StreamingOutputCallRequest request = output_request({1, 2, 3}, 0);
    for (auto &parameters : *request.mutable_response_parameters())
        parameters.set_interval_us(20000);
    const auto start = std::chrono::steady_clock::now();
    Context context;
    auto stream = stub.StreamingOutputCall(&context, request);
    StreamingOutputCallResponse answer;
    int answers = 0;
    while (stream->Read(&answer))
        check_size(answer.payload(), static_cast<std::size_t>(++answers));
    check_ok(stream->Finish());
    check(answers == 3, "the number of answers");
    check(std::chrono::steady_clock::now() - start >= std::chrono::milliseconds(60),
          "no pause between answers");
}

void run_at_once(Stub &stub, int count, const std::function<void(Stub &)> &test)
{
    std::vector<std::thread> threads;
    std::vector<std::string> failures(static_cast<std::size_t>(count));
    for (std::string &failure : failures)
        threads.emplace_back([&stub, &test, &failure] {
            try {
                test(stub);
            } catch (const std::exception &error) {
                failure = error.what();
            }
        });
    for (std::thread &thread : threads)
        thread.join();
    for (const std::string &failure : failures)
        check(failure.empty(), failure);
}

void concurrent_large_unary(Stub &stub)
{
    run_at_once(stub, 64, large_unary);
}

struct Case {
    const char *name;
    std::function<void(Stub &)> run;
};

int run(const std::shared_ptr<grpc::Channel> &channel)
{
    const auto stub = TestService::NewStub(channel);
    const auto none = UnimplementedService::NewStub(channel);
    const auto unimplemented_service = [&none](Stub &) {
        Context context;
        Empty answer;
        check_code(none->UnimplementedCall(&context, Empty(), &answer),
                   grpc::StatusCode::UNIMPLEMENTED);
    };
#define CASE(name)                                                                                 \
    Case                                                                                           \
    {                                                                                              \
#name, name                                                                                \
    }
    const std::vector<Case> cases = {
        CASE(empty_unary),
        CASE(large_unary),
        CASE(client_compressed_unary),
        CASE(server_compressed_unary),
        CASE(client_streaming),
        CASE(client_compressed_streaming),
        CASE(server_streaming),
        CASE(server_compressed_streaming),
        CASE(ping_pong),
        CASE(half_duplex),
        CASE(empty_stream),
        CASE(custom_metadata),
        CASE(status_code_and_message),
        CASE(special_status_message),
        CASE(unimplemented_method),
        CASE(unimplemented_service),
        CASE(cancel_after_begin),
        CASE(cancel_after_first_response),
        CASE(timeout_on_sleeping_server),
        CASE(pauses_between_answers),
        CASE(concurrent_large_unary),
    };
#undef CASE
    int passed = 0;
    int failed = 0;
    for (const Case &c : cases) {
        try {
            c.run(*stub);
            passed++;
            std::cout << "ok " << c.name << "\n";
        } catch (const std::exception &error) {
            failed++;
            std::cout << "not ok " << c.name << ": " << error.what() << "\n";
        }
    }
    std::cout << passed << " passed, " << failed << " failed\n";
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
} // namespace

int main()
{
    const char *address = std::getenv("INTEROP_SERVER");
    if (address == nullptr) {
        std::cerr << "INTEROP_SERVER is not set: run_cases.py runs this program\n";
        return EXIT_FAILURE;
    }
    return run(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
}
