// What a page does with a result: here it is shown, and handed to the page around it if there is one of the same origin.

const output = document.querySelector('#result');

document.querySelector('anomaly-sd').addEventListener('result', ({ detail }) => {
  const result = detail.result.toJSON();
  output.textContent = JSON.stringify(result, null, 2);
  output.hidden = false;
  if (parent !== window) parent.postMessage({ type: 'anomalysd-result', result }, location.origin);
});
