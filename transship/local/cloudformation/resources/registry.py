"""Every resource type that a stack can hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transship.local.cloudformation.resources import cloudwatch, dynamodb, ecr, events, iam, s3, sqs

if TYPE_CHECKING:
    from transship.local.cloudformation.resources.base import ResourceType

REGISTRY: dict[str, ResourceType] = {
    "AWS::CloudWatch::Alarm": cloudwatch.Alarm(),
    "AWS::CloudWatch::Dashboard": cloudwatch.Dashboard(),
    "AWS::DynamoDB::Table": dynamodb.Table(),
    "AWS::ECR::RegistryPolicy": ecr.RegistryPolicy(),
    "AWS::ECR::ReplicationConfiguration": ecr.ReplicationConfiguration(),
    "AWS::Events::EventBus": events.EventBus(),
    "AWS::Events::EventBusPolicy": events.EventBusPolicy(),
    "AWS::Events::Rule": events.Rule(),
    "AWS::IAM::Policy": iam.Policy(),
    "AWS::IAM::Role": iam.Role(),
    "AWS::Logs::LogGroup": cloudwatch.LogGroup(),
    "AWS::S3::Bucket": s3.Bucket(),
    "AWS::S3::BucketPolicy": s3.BucketPolicy(),
    "AWS::SQS::Queue": sqs.Queue(),
    "AWS::SQS::QueuePolicy": sqs.QueuePolicy(),
}
"""By name of the type; an unknown one fails its stack."""
