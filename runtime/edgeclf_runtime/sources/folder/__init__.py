"""An image file or a folder of images, which may be watched for new ones."""
