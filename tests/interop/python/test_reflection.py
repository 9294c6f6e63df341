"""grpc.reflection: a client that knows no .proto file lists, describes and calls everything."""

import itertools

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc import StatusCode
from reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

from client import CALL_S, InteropTest, fresh_user
from golden import known_items

METHOD = "/grpc.reflection.{}.ServerReflection/ServerReflectionInfo"
VERSIONS = ("v1", "v1alpha")
METHODS = {
    "vql.v1.Scoring": {"Score": (False, False), "ScoreStream": (True, True)},
    "vql.v1.History": {"Append": (False, False), "AppendStream": (True, True),
                       "Get": (False, False), "Delete": (False, False)},
    "vql.v1.Models": {name: (False, False) for name in ("List", "Load", "Activate", "Unload",
                                                        "UpsertItems")},
    "grpc.health.v1.Health": {"Check": (False, False), "List": (False, False),
                              "Watch": (False, True)},
    "grpc.reflection.v1.ServerReflection": {"ServerReflectionInfo": (True, True)},
    "grpc.reflection.v1alpha.ServerReflection": {"ServerReflectionInfo": (True, True)},
}


class ReflectionTest(InteropTest):
    def ask(self, requests, version="v1"):
        """The answers to a stream of requests, one each."""
        call = self.client.channel.stream_stream(
            METHOD.format(version), request_serializer=ServerReflectionRequest.SerializeToString,
            response_deserializer=ServerReflectionResponse.FromString)
        requests = [ServerReflectionRequest(host="here", **request) for request in requests]
        answers = list(call(iter(requests), timeout=CALL_S))
        self.assertEqual([answer.original_request for answer in answers], requests)
        self.assertEqual({answer.valid_host for answer in answers}, {"here"})
        return answers

    def services(self, version="v1"):
        answer, = self.ask([{"list_services": "*"}], version)
        return [service.name for service in answer.list_services_response.service]

    def learn(self, pool, version="v1"):
        """Adds the files of all services, with what they import, to the pool."""
        requests = [{"file_containing_symbol": name} for name in self.services(version)]
        files = {}
        for answer in self.ask(requests, version):
            for text in answer.file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(text)
                files[file.name] = file
        while files:
            ready = [file for file in files.values() if not files.keys() & set(file.dependency)]
            self.assertTrue(ready, "an import is missing")
            for file in ready:
                pool.Add(files.pop(file.name))
        return pool

    def assert_error(self, answer, code, *words):
        self.assertEqual(answer.error_response.error_code, code.value[0])
        for word in words:
            self.assertIn(word, answer.error_response.error_message)

    def test_services(self):
        for version in VERSIONS:
            self.assertEqual(set(self.services(version)), set(METHODS))

    def test_every_method_is_described(self):
        for version in VERSIONS:
            pool = self.learn(descriptor_pool.DescriptorPool(), version)
            for name, methods in METHODS.items():
                described = pool.FindServiceByName(name)
                told = descriptor_pb2.ServiceDescriptorProto()
                described.CopyToProto(told)
                self.assertEqual({method.name: (method.client_streaming, method.server_streaming)
                                  for method in told.method}, methods)

    def test_calls_by_what_was_learnt(self):
        """A score by messages that reflection alone has described."""
        pool = self.learn(descriptor_pool.DescriptorPool())
        method = pool.FindServiceByName("vql.v1.Scoring").FindMethodByName("Score")
        factory = message_factory.MessageFactory(pool)
        request_type = factory.GetPrototype(method.input_type)
        answer_type = factory.GetPrototype(method.output_type)
        items = list(itertools.islice(known_items(), 3))
        request = request_type(user_id=fresh_user(), item_ids=items)
        answer = answer_type.FromString(self.client.raw(
            "/vql.v1.Scoring/Score", request.SerializeToString()))
        self.assertEqual(len(answer.scores), len(items) * len(answer.tasks))

    def test_files_by_name(self):
        answer, = self.ask([{"file_by_filename": "vql/v1/scoring.proto"}])
        names = [descriptor_pb2.FileDescriptorProto.FromString(text).name
                 for text in answer.file_descriptor_response.file_descriptor_proto]
        self.assertEqual(names, ["vql/v1/scoring.proto", "vql/v1/history.proto"])

    def test_what_there_is_not(self):
        answers = self.ask([
            {"file_by_filename": "vql/v1/none.proto"},
            {"file_containing_symbol": "vql.v1.None"},
            {"file_containing_extension": {"containing_type": "vql.v1.Event",
                                           "extension_number": 9}},
            {"all_extension_numbers_of_type": "vql.v1.None"},
            {},
        ])
        self.assert_error(answers[0], StatusCode.NOT_FOUND, "file_by_filename", "none.proto")
        self.assert_error(answers[1], StatusCode.NOT_FOUND, "file_containing_symbol", "vql.v1.None")
        self.assert_error(answers[2], StatusCode.NOT_FOUND, "extension 9", "vql.v1.Event")
        self.assert_error(answers[3], StatusCode.NOT_FOUND, "vql.v1.None")
        self.assert_error(answers[4], StatusCode.INVALID_ARGUMENT, "message_request")

    def test_extension_numbers(self):
        answer, = self.ask([{"all_extension_numbers_of_type": "vql.v1.Event"}])
        numbers = answer.all_extension_numbers_response
        self.assertEqual((numbers.base_type_name, list(numbers.extension_number)),
                         ("vql.v1.Event", []))
