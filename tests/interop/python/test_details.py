"""grpc-status-details-bin: the causes of errors, for programs."""

import grpc
import status_pb2
from client import CALL_S, InteropTest, append_request, event, fresh_user, score_request
from grpc import StatusCode
from vqld import MAX_CANDIDATES

PREFIX = "type.googleapis.com/google.rpc."


class DetailsTest(InteropTest):
    def refusal(self, call, request):
        """The status of a call that is refused, and its details by the names of their types."""
        with self.assertRaises(grpc.RpcError) as caught:
            call(request, timeout=CALL_S)
        trailers = dict(caught.exception.trailing_metadata())
        status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
        self.assertEqual(status.code, caught.exception.code().value[0])
        self.assertEqual(status.message, caught.exception.details())
        details = {}
        for detail in status.details:
            self.assertTrue(detail.type_url.startswith(PREFIX))
            name = detail.type_url[len(PREFIX):]
            details[name] = getattr(status_pb2, name).FromString(detail.value)
        self.assertEqual(details["ErrorInfo"].domain, "vql")
        return caught.exception.code(), details

    def test_a_field_at_fault(self):
        request = append_request(fresh_user(), [event(1), event(2, event_type=999)])
        code, details = self.refusal(self.client.history.Append, request)
        self.assertIs(code, StatusCode.INVALID_ARGUMENT)
        self.assertEqual(details["ErrorInfo"].reason, "UNKNOWN_EVENT_TYPE")
        violation, = details["BadRequest"].field_violations
        self.assertEqual(violation.field, "events[1].type")
        self.assertIn("999", violation.description)

    def test_a_limit(self):
        request = score_request(fresh_user(), range(1, MAX_CANDIDATES + 2))
        code, details = self.refusal(self.client.scoring.Score, request)
        self.assertIs(code, StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(details["ErrorInfo"].reason, "TOO_MANY_ELEMENTS")
        self.assertEqual(dict(details["ErrorInfo"].metadata),
                         {"option": "max-candidates", "limit": str(MAX_CANDIDATES)})
        self.assertNotIn("BadRequest", details)

    def test_another_model(self):
        request = score_request(fresh_user(), [1], model="another")
        code, details = self.refusal(self.client.scoring.Score, request)
        self.assertIs(code, StatusCode.NOT_FOUND)
        self.assertEqual(details["ErrorInfo"].reason, "UNKNOWN_MODEL")

    def test_a_method_that_is_not_there(self):
        call = self.client.channel.unary_unary("/vql.v1.Scoring/None")
        code, details = self.refusal(call, b"")
        self.assertIs(code, StatusCode.UNIMPLEMENTED)
        self.assertEqual(details["ErrorInfo"].reason, "UNKNOWN_METHOD")
