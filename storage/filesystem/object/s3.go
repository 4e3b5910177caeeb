package object

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// contentType is the content type of every object.
const contentType = "application/octet-stream"

// amazon implements the interface store with a bucket of S3, or of another service with the same
// interface.
type amazon struct {
	client *s3.Client
	bucket *string
}

// openS3 finds credentials and the endpoint in the same way as AWS's own tools. If the environment
// sets an endpoint, the service is usually not AWS, and may have no host name for each bucket. So
// the bucket's name becomes part of the URL's path. If no region is set, openS3 uses us-east-1.
func openS3(ctx context.Context, bucket string) (store, error) {
	loaded, err := config.LoadDefaultConfig(ctx,
		config.WithRequestChecksumCalculation(aws.RequestChecksumCalculationWhenRequired),
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired))
	if err != nil {
		return nil, err
	}
	if loaded.Region == "" {
		loaded.Region = "us-east-1"
	}
	client := s3.NewFromConfig(loaded, func(o *s3.Options) {
		o.UsePathStyle = os.Getenv("AWS_ENDPOINT_URL") != "" || os.Getenv("AWS_ENDPOINT_URL_S3") != ""
	})
	return amazon{client, &bucket}, nil
}

func (a amazon) put(ctx context.Context, key string, content io.Reader) error {
	_, err := transfermanager.New(a.client, func(o *transfermanager.Options) {
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	}).UploadObject(ctx, &transfermanager.UploadObjectInput{
		Bucket: a.bucket, Key: &key, Body: content, IfNoneMatch: aws.String("*"), ContentType: aws.String(contentType),
	})
	return err
}

func (a amazon) get(ctx context.Context, key string) (io.ReadCloser, error) {
	got, err := a.client.GetObject(ctx, &s3.GetObjectInput{Bucket: a.bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	return got.Body, nil
}

func (a amazon) stat(ctx context.Context, key string) (object, error) {
	head, err := a.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: a.bucket, Key: &key})
	if err != nil {
		return object{}, err
	}
	return object{key: key, size: aws.ToInt64(head.ContentLength), modified: aws.ToTime(head.LastModified)}, nil
}

func (a amazon) remove(ctx context.Context, key string) error {
	if _, err := a.stat(ctx, key); err != nil { // DeleteObject does not say whether the object existed
		return err
	}
	_, err := a.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: a.bucket, Key: &key})
	return err
}

func (a amazon) list(ctx context.Context, prefix, token string) (page []object, next string, err error) {
	input := &s3.ListObjectsV2Input{Bucket: a.bucket, Prefix: &prefix, Delimiter: aws.String("/")}
	if token != "" {
		input.ContinuationToken = &token
	}
	got, err := a.client.ListObjectsV2(ctx, input)
	if err != nil {
		return nil, "", err
	}
	for _, found := range got.Contents {
		page = append(page, object{key: aws.ToString(found.Key), size: aws.ToInt64(found.Size), modified: aws.ToTime(found.LastModified)})
	}
	for _, found := range got.CommonPrefixes {
		page = append(page, object{key: aws.ToString(found.Prefix), directory: true})
	}
	return page, aws.ToString(got.NextContinuationToken), nil
}

func (amazon) meaning(err error) error {
	var said interface{ ErrorCode() string }
	if !errors.As(err, &said) {
		return nil
	}
	switch said.ErrorCode() {
	case "NoSuchBucket":
		return errNoBucket
	case "NoSuchKey", "NotFound":
		return fs.ErrNotExist
	case "PreconditionFailed", "ConditionalRequestConflict":
		return fs.ErrExist
	case "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return fs.ErrPermission
	}
	return nil
}
